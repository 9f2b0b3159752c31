"""The way from a row or a line of the fleet to the decisions of its scaler."""

from dashboards import page

#: From a cell of the table, and from a point of a series.
TO_DECISIONS = (
    f"/d/{page.DECISIONS}?var-namespace=${{__data.fields.Namespace}}&var-scaler=${{__data.fields.Scaler}}"
    "&${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
)
_OF_SERIES = (
    f"/d/{page.DECISIONS}?var-namespace=${{__field.labels.namespace}}&var-scaler=${{__field.labels.scaler}}"
    "&${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
)
LINKS = (("Decisions of this scaler", _OF_SERIES),)
#: What a series of a scaler is called.
EACH = "{{namespace}}/{{scaler}}"

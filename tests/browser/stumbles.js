// What a screen reader or a finger would stumble over.
() => {
  const found = [];
  const named = (element) => (element.getAttribute("aria-label") || element.textContent || "").trim()
    || element.labels?.length || document.getElementById(element.getAttribute("aria-labelledby") ?? "");
  for (const element of document.querySelectorAll("button, a[href], input, select, summary, [role=img], [role=region], [tabindex='0']")) {
    if (element.checkVisibility() && !named(element)) found.push(`no name: ${element.outerHTML.slice(0, 90)}`);
  }
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) found.push("an image without alt");
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`id ${id} is there twice`);
  for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      if (!document.getElementById(element.getAttribute(attribute))) found.push(`${attribute}=${element.getAttribute(attribute)} names nothing`);
    }
  }
  const parents = { row: "rowgroup", cell: "row", columnheader: "row", rowgroup: "table" };
  for (const [role, parent] of Object.entries(parents)) {
    for (const element of document.querySelectorAll(`[role=${role}]`)) {
      if (element.parentElement.getAttribute("role") !== parent) found.push(`${role} outside of ${parent}`);
    }
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter((element) => element.checkVisibility()).map((element) => Number(element.tagName[1]));
  if (levels[0] !== 1) found.push(`headings begin at ${levels[0]}`);
  levels.forEach((level, place) => { if (place && level > levels[place - 1] + 1) found.push(`h${level} after h${levels[place - 1]}`); });
  for (const element of document.querySelectorAll("main button, main a[href], main select, main input, .top button")) {
    const box = element.getBoundingClientRect();
    const target = element.closest("label, th, [role=columnheader], .row")?.getBoundingClientRect() ?? box;
    if (element.checkVisibility() && Math.max(box.height, target.height) < 20) found.push(`hard to hit: ${element.outerHTML.slice(0, 90)}`);
  }
  if (!document.documentElement.lang) found.push("no language");
  for (const landmark of ["main", "header"]) if (document.querySelectorAll(`body > ${landmark}`).length !== 1) found.push(`not one ${landmark}`);
  return found;
}

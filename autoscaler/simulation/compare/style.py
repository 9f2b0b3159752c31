"""The page's style sheet: its colours in light and in dark, which its plots take, too.

The colours of the policies are told apart with the usual kinds of colour blindness, and what is tuned is a full dot, what is as
shipped a hollow one.
"""

#: How many policies have a colour of their own; more begin anew.
COLOURS = 9

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d9dee3;--good:#1a7f37;--bad:#b42318;
--c0:#0b62c4;--c1:#c2410c;--c2:#0f766e;--c3:#7c3aed;--c4:#a16207;--c5:#be185d;--c6:#475569;--c7:#4d7c0f;--c8:#1b1f24;
--serving:#7fb2e5;--warm:#f2c14e;--starting:#c9ced6;--unhappy:#b42318}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#9aa5b1;--line:#333a42;--good:#5fd07e;--bad:#ff8a7a;
--c0:#6cb0ff;--c1:#ff9d5c;--c2:#4fd1c5;--c3:#b79cff;--c4:#e0b341;--c5:#ff8fc0;--c6:#b4bfcc;--c7:#a5d255;--c8:#e6e9ec;
--serving:#33639a;--warm:#a37a12;--starting:#4a525c;--unhappy:#ff8a7a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.25rem;margin:2rem 0 .5rem;border-top:1px solid var(--line);padding-top:1rem}
p{max-width:48rem;overflow-wrap:anywhere}li{overflow-wrap:anywhere}a{color:var(--c0)}
.label{display:inline-block;border:1px solid var(--soft);border-radius:1rem;padding:0 .75rem;color:var(--soft);margin:0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
td{white-space:nowrap}th:first-child,.words th:last-child,.words td:last-child{text-align:left}
.words td:last-child{white-space:normal;min-width:18rem}
thead th{color:var(--soft);font-weight:600;vertical-align:bottom}
tbody th{font-weight:600;white-space:nowrap;position:sticky;left:0;background:var(--paper)}
.good th,li.good{color:var(--good)}.bad th,li.bad{color:var(--bad)}
.plots{display:grid;margin-top:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}
figure{margin:0}figcaption{font-weight:600;font-size:.875rem;overflow-wrap:anywhere}
figure p{margin:.25rem 0;font-size:.8125rem}
svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font-size:12px}
.grid{stroke:var(--line);stroke-width:1}.rule{stroke:var(--ink);stroke-dasharray:5 4}
.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.line.load{stroke:var(--ink);stroke-width:1.2}
.line.unhappy{stroke:var(--unhappy)}.line.wanted{stroke:var(--ink);stroke-dasharray:3 3}
.dot{stroke-width:2}.dot.hollow{fill:var(--paper)}
.area{stroke:none}
.serving{fill:var(--serving);background:var(--serving)}.warm{fill:var(--warm);background:var(--warm)}
.starting{fill:var(--starting);background:var(--starting)}
.key{display:inline-block;margin-right:1rem;white-space:nowrap}
.key i{display:inline-block;width:.8rem;height:.8rem;margin-right:.35rem;border-radius:.2rem;vertical-align:-.08rem}
.key i.load{background:var(--ink);height:.15rem;vertical-align:.25rem}.key i.unhappy{background:var(--unhappy)}
""" + "".join(
    f".line.c{number}{{stroke:var(--c{number})}}.dot.c{number}{{fill:var(--c{number});stroke:var(--c{number})}}"
    f".dot.hollow.c{number}{{fill:var(--paper)}}.key i.c{number}{{background:var(--c{number})}}\n"
    for number in range(COLOURS)
)

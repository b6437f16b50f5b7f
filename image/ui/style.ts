/** How the page looks, in light and dark, and on a narrow screen. */
export const STYLE = `
:root {
  --text: #1f2328; --dim: #59636e; --back: #ffffff; --panel: #f6f8fa; --line: #d1d9e0; --focus: #0969da;
  --green: #1a7f37; --yellow: #7d4e00; --red: #b3261e; --bar: #4aa564; --old: #c3cad1; --bad: #d9665d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6edf3; --dim: #9198a1; --back: #0d1117; --panel: #151b23; --line: #3d444d; --focus: #4493f8;
    --green: #3fb950; --yellow: #d29922; --red: #ff7b72; --bar: #2ea043; --old: #484f58; --bad: #da3633;
  }
}
* { box-sizing: border-box; }
body { margin: 0; font: 14px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back); }
header, main, footer, #connection { max-width: 1200px; margin: 0 auto; padding: 0 20px; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 16px; padding-top: 16px; }
h1 { font-size: 20px; margin: 0; }
#where { margin: 0 auto 0 0; color: var(--dim); overflow-wrap: anywhere; }
label { color: var(--dim); }
input { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line); border-radius: 6px; padding: 4px 10px; }
#connection { min-height: 21px; color: var(--dim); }
#connection.trouble { color: var(--red); font-weight: 600; }
#connection::before { content: "● "; color: var(--yellow); }
#connection.live::before { color: var(--green); }
#connection.trouble::before { color: var(--red); }
#summary, #said { margin: 8px 0; color: var(--dim); }
#said:empty { display: none; }
.row { display: grid; grid-template-columns: 84px minmax(140px, 1.2fr) minmax(160px, 1.6fr) 76px 64px minmax(180px, 2fr); gap: 12px; align-items: center; }
#head { padding: 4px 12px; color: var(--dim); font-size: 12px; border-bottom: 1px solid var(--line); }
ul { list-style: none; margin: 0; padding: 0; }
#locks > li { border-bottom: 1px solid var(--line); }
#locks.stale { opacity: 0.55; }
button { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 3px 12px; cursor: pointer; }
button.row { width: 100%; text-align: left; background: none; border: 0; border-radius: 0; padding: 8px 12px; }
button.row:hover { background: var(--panel); }
button.row[aria-expanded="true"] { background: var(--panel); }
:focus-visible { outline: 2px solid var(--focus); outline-offset: -2px; }
.row > span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.name { font-weight: 600; }
.dim { color: var(--dim); font-weight: 400; }
.state { font-weight: 600; }
.state.green { color: var(--green); } .state.yellow { color: var(--yellow); } .state.red { color: var(--red); }
.number { text-align: right; font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: 18px; background: var(--panel); border-radius: 3px; }
button.row:hover svg, button.row[aria-expanded="true"] svg { background: var(--line); }
svg .now { fill: var(--bar); } svg .past { fill: var(--old); } svg .red, svg .yellow { fill: var(--bad); }
.details { background: var(--panel); padding: 4px 12px 16px 108px; }
.details p { margin: 8px 0; max-width: 80ch; }
.details section { margin-top: 12px; }
.details h3 { font-size: 13px; margin: 0 0 4px; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 16px; margin: 0; }
dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 400; color: var(--dim); font-size: 12px; }
th, td { padding: 3px 12px 3px 0; overflow-wrap: anywhere; }
td { border-top: 1px solid var(--line); }
.acts { display: flex; flex-wrap: wrap; gap: 8px; margin-top: 6px; }
.acts .harsh { color: var(--red); }
a { color: var(--focus); }
footer { display: flex; flex-wrap: wrap; gap: 0 32px; color: var(--dim); font-size: 12px; padding-bottom: 24px; }
kbd { font: inherit; border: 1px solid var(--line); border-radius: 4px; padding: 0 5px; margin-left: 10px; }
dialog { color: var(--text); background: var(--back); border: 1px solid var(--line); border-radius: 10px; padding: 20px; width: min(520px, 92vw); }
dialog::backdrop { background: rgb(0 0 0 / 0.45); }
dialog h2 { font-size: 16px; margin: 0; overflow-wrap: anywhere; }
dialog input { width: 100%; }
dialog div { display: flex; justify-content: flex-end; gap: 8px; margin-top: 12px; }
#ask-answer { color: var(--red); min-height: 21px; margin: 8px 0 0; overflow-wrap: anywhere; }
#ask-answer.done { color: var(--green); }
@media (max-width: 760px) {
  header, main, footer, #connection { padding-left: 12px; padding-right: 12px; }
  #head { display: none; }
  button.row { grid-template-columns: 76px 1fr max-content; gap: 2px 10px; }
  .row > .holder { grid-column: 2 / 4; }
  .row > .held { grid-column: 1; grid-row: 2; text-align: left; }
  .row > .waiting { grid-column: 3; grid-row: 1; }
  .row > .timeline { grid-column: 1 / 4; }
  .details { padding-left: 12px; }
  .details table .extra { display: none; }
}
`;

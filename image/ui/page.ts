/** The page without its locks: its script fills it in. */

const ESCAPED: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => ESCAPED[character] ?? '');

export const page = ({
  where,
  writes,
  namespaces,
}: {
  where: string;
  writes: boolean;
  namespaces: boolean;
}): string => `<!doctype html>
<html lang="en" data-writes="${writes}" data-namespaces="${namespaces}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Locks</title>
<link rel="stylesheet" href="/style.css">
<script type="module" src="/script.js"></script>
</head>
<body>
<header>
  <h1>Locks</h1>
  <p id="where">${escaped(where)}</p>
  <label for="filter">Filter</label>
  <input id="filter" type="search" autocomplete="off" spellcheck="false" placeholder="name, holder or state" aria-keyshortcuts="/">
</header>
<p id="connection" role="status">Connecting</p>
<main>
  <p id="summary" role="status"></p>
  <p id="said" role="status"></p>
  <div id="head" class="row" aria-hidden="true"><span>State</span><span>Lock</span><span>Holder</span><span class="number">Held</span><span class="number">Waiting</span><span id="scale">Timeline</span></div>
  <ul id="locks" aria-label="Locks"></ul>
  <p id="none" hidden>No locks.</p>
</main>
<footer>
  <p><kbd>/</kbd> filter <kbd>↑</kbd> <kbd>↓</kbd> move <kbd>Enter</kbd> details <kbd>Esc</kbd> close</p>
  <p id="mode"></p>
</footer>
<dialog id="ask" aria-labelledby="ask-title">
  <form id="ask-form" method="dialog">
    <h2 id="ask-title"></h2>
    <p id="ask-text"></p>
    <label id="ask-label" for="ask-field"></label>
    <input id="ask-field" autocomplete="off" maxlength="200">
    <p id="ask-answer" role="alert"></p>
    <div><button id="ask-cancel" type="button">Cancel</button><button id="ask-do" type="submit"></button></div>
  </form>
</dialog>
</body>
</html>
`;

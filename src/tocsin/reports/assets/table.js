// The table of findings: a page at a time, each finding opened below its row.

const PAGE = 50;
const PRINTED = 200;
let page = 0;
let opened = new Set();

function lastPage() {
  return Math.max(0, Math.ceil(shown.length / PAGE) - 1);
}

function drawTable() {
  const begin = page * PAGE;
  drawRows(shown.slice(begin, begin + PAGE));
  const end = Math.min(shown.length, begin + PAGE);
  const place = grouped(begin + 1) + " to " + grouped(end) + " of " + grouped(shown.length);
  byId("page").textContent = shown.length ? place : "none";
  for (const button of document.querySelectorAll("[data-page]")) {
    const back = button.dataset.page === "first" || button.dataset.page === "back";
    button.disabled = back ? page === 0 : page >= lastPage();
  }
}

function drawRows(list) {
  const rows = list.flatMap((finding) => (opened.has(finding.number) ? [rowOf(finding), openRow(finding)] : [rowOf(finding)]));
  const empty = element("td", { colspan: "6", class: "empty" }, "No finding passes these filters.");
  if (!rows.length) rows.push(element("tr", {}, empty));
  byId("rows").replaceChildren(...rows);
}

function rowOf(finding) {
  const isOpen = opened.has(finding.number);
  const state = { type: "button", class: "open", "aria-expanded": String(isOpen) };
  const button = element("button", state, visible(finding.rule.title));
  button.addEventListener("click", () => toggle(finding, row, button));
  const what = element("td", { class: "what" }, button, element("span", { class: "preview" }, finding.preview));
  const row = element(
    "tr",
    { id: "finding-" + finding.number, class: isOpen ? "is-open" : null },
    element("td", { class: "n" }, String(finding.number)),
    element("td", { class: "time" }, finding.time === null ? "not told" : utc(finding.time, 23)),
    element("td", {}, levelMark(finding.rule.level)),
    what,
    element("td", { class: "host" }, finding.host),
    element("td", { class: "log" }, finding.log),
  );
  return row;
}

function openRow(finding) {
  return element("tr", { class: "opened" }, element("td", { colspan: "6" }, detailsOf(finding)));
}

function toggle(finding, row, button) {
  if (opened.delete(finding.number)) {
    row.nextElementSibling.remove();
  } else {
    opened.add(finding.number);
    row.after(openRow(finding));
  }
  const isOpen = opened.has(finding.number);
  row.classList.toggle("is-open", isOpen);
  button.setAttribute("aria-expanded", String(isOpen));
}

// Shows a finding by its number, whatever the filters are.
function showFinding(number) {
  const finding = findings[number - 1];
  if (!finding) return;
  if (!shown.includes(finding)) choose(NONE);
  page = Math.floor(shown.indexOf(finding) / PAGE);
  opened.add(number);
  drawTable();
  const row = byId("finding-" + number);
  row.scrollIntoView({ block: "center" });
  row.querySelector("button").focus({ preventScroll: true });
}

function turn(to) {
  page = { first: 0, back: Math.max(0, page - 1), on: Math.min(lastPage(), page + 1), last: lastPage() }[to];
  drawTable();
  const focused = document.activeElement;
  if (focused === document.body || focused.disabled) byId("rows").querySelector("button")?.focus();
}

function startTable() {
  listeners.push(() => {
    page = 0;
    opened = new Set();
    drawTable();
  });
  for (const button of document.querySelectorAll("[data-page]")) {
    button.addEventListener("click", () => turn(button.dataset.page));
  }
}

// Puts the first findings that are shown on paper, and says when there are more.
function printTable() {
  drawRows(shown.slice(0, PRINTED));
  const all = counted(shown.length, "finding");
  byId("page").textContent = shown.length > PRINTED ? "the first " + PRINTED + " of " + all : all;
}

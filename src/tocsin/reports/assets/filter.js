// Which findings are shown. Every part of the page that filters sets the same state here, and is told when it changed.

const NONE = Object.freeze({
  levels: null,
  text: "",
  host: "",
  rule: "",
  user: "",
  technique: "",
  incident: "",
  since: null,
  until: null,
});
const WAIT_MS = 200;
const MOST_OPTIONS = 2000;
const state = { ...NONE };
const listeners = [];
let deep = { text: "", hits: new Set(), share: 1 };
let shown = [];
let waiting = 0;

// Tells whether a finding is shown; the timeline leaves the time to itself.
function passes(finding, anyTime) {
  return (
    (!state.levels || state.levels.has(LEVELS[finding.level])) &&
    (!state.host || finding.host === state.host) &&
    (state.rule === "" || finding.ruleNumber === Number(state.rule)) &&
    (!state.user || finding.users.includes(state.user)) &&
    (!state.technique || finding.rule.techniques.includes(state.technique)) &&
    (state.incident === "" || finding.incident === Number(state.incident)) &&
    (anyTime || inTime(finding.time)) &&
    (!state.text || deep.hits.has(finding.number) || textOf(finding).includes(state.text.toLowerCase()))
  );
}

// Findings without a time are in no range.
function inTime(time) {
  if (state.since === null && state.until === null) return true;
  return time !== null && (state.since === null || time >= state.since) && (state.until === null || time < state.until);
}

function textOf(finding) {
  const { rule, host, log, path, preview, users } = finding;
  finding.text ??= [rule.title, rule.id, host, log, path, preview, ...users, ...rule.tags].join("\n").toLowerCase();
  return finding.text;
}

function update() {
  shown = findings.filter((finding) => passes(finding, false));
  for (const listener of listeners) listener();
}

// Changes some of the filters.
function choose(changes) {
  const text = state.text;
  Object.assign(state, changes);
  if (state.text !== text) searchDeep();
  showState();
  update();
}

async function searchDeep() {
  const mine = { text: state.text, hits: new Set(), share: state.text ? 0 : 1 };
  deep = mine;
  if (!mine.text) return;
  await searchEvents(mine.text, (number) => mine.hits.add(number), (share) => {
    if (deep !== mine) return false;
    mine.share = share;
    tellCount();
    return true;
  });
  if (deep === mine) update();
}

function tellCount() {
  const searched = deep.share < 1 ? ", events searched: " + Math.floor(deep.share * 100) + " %" : "";
  const wrong = ["since", "until"].filter((key) => byId(key).getAttribute("aria-invalid") === "true");
  const hint = wrong.length ? ". A time is written as 2026-01-31 or 2026-01-31 08:00" : "";
  byId("count").textContent = grouped(shown.length) + " of " + counted(findings.length, "finding") + searched + hint;
}

// Shows the state in the controls, whoever changed it.
function showState() {
  for (const box of byId("levels").querySelectorAll("input")) box.checked = !state.levels || state.levels.has(box.value);
  byId("host").value = state.host;
  byId("rule").value = state.rule;
  if (byId("text").value.trim() !== state.text) byId("text").value = state.text;
  for (const key of ["since", "until"]) {
    const field = byId(key);
    if (parseUtc(field.value) !== state[key]) field.value = state[key] === null ? "" : utc(state[key], 19);
    field.setAttribute("aria-invalid", "false");
  }
  const chosen = [];
  if (state.user) chosen.push(["user", "account " + state.user]);
  if (state.technique) chosen.push(["technique", "technique " + state.technique.toUpperCase()]);
  if (state.incident !== "") chosen.push(["incident", "incident " + oneLine(incidents[Number(state.incident)][1])]);
  byId("chosen").replaceChildren(...chosen.map(([key, label]) => chip(key, label)));
}

function chip(key, label) {
  const cross = element("span", { "aria-hidden": "true" }, " ×");
  const button = element("button", { type: "button", "aria-label": "Remove the filter " + label }, label, cross);
  button.addEventListener("click", () => {
    choose({ [key]: "" });
    byId("text").focus();
  });
  return element("li", {}, button);
}

function fillOptions() {
  const hosts = new Map();
  for (const finding of findings) if (finding.host) hosts.set(finding.host, (hosts.get(finding.host) || 0) + 1);
  const names = [...hosts.keys()].sort().slice(0, MOST_OPTIONS);
  const told = (name) => name + " (" + grouped(hosts.get(name)) + ")";
  byId("host").append(...names.map((name) => element("option", { value: name }, told(name))));
  const titles = rules.map((rule, number) => [oneLine(rule.title), number]).sort((one, other) => (one[0] < other[0] ? -1 : 1));
  byId("rule").append(...titles.map(([title, number]) => element("option", { value: number }, title)));
}

function chooseLevels() {
  const boxes = [...byId("levels").querySelectorAll("input")];
  const levels = boxes.filter((box) => box.checked).map((box) => box.value);
  choose({ levels: levels.length === boxes.length ? null : new Set(levels) });
}

function chooseTime(key) {
  const field = byId(key);
  const time = field.value.trim() ? parseUtc(field.value) : null;
  if (Number.isNaN(time)) {
    field.setAttribute("aria-invalid", "true");
    tellCount();
  } else {
    choose({ [key]: time });
  }
}

function startFilters() {
  fillOptions();
  listeners.push(tellCount);
  byId("levels").addEventListener("change", chooseLevels);
  byId("host").addEventListener("change", () => choose({ host: byId("host").value }));
  byId("rule").addEventListener("change", () => choose({ rule: byId("rule").value }));
  byId("text").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => choose({ text: byId("text").value.trim() }), WAIT_MS);
  });
  for (const key of ["since", "until"]) byId(key).addEventListener("change", () => chooseTime(key));
  byId("clear").addEventListener("click", () => choose(NONE));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
}

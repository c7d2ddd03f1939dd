// One finding: its rule, the event as it was read, and in it what matched.

const LONGEST = 4000;
const CORRELATION = "correlation";
const PART = /^events\.(\d+)\.([^.]+)$/;

// Returns what is shown of a finding; it is filled when its event is unpacked.
function detailsOf(finding) {
  const place = element("div", { class: "details" }, element("p", { class: "note", role: "status" }, "Opening the event …"));
  eventOf(finding).then(
    (event) => place.replaceChildren(element("div", {}, whyOf(finding, event), ruleOf(finding)), recordOf(finding, event)),
    (error) => place.replaceChildren(element("p", { class: "note" }, "The event cannot be opened in this browser: " + error)),
  );
  return place;
}

function whyOf(finding, event) {
  const rows = event.matched.map(([selection, field, values]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, visible(selection)),
      element("td", {}, field === "*" ? "whole event" : visible(field || "measure")),
      valueCell(values.join("\n"), []),
    ),
  );
  const assets = event.assets.map(([text, label]) => [oneLine(text), label]);
  return element(
    "div",
    {},
    rows.length ? tableOf("What matched", ["Selection", "Field", "Value"], rows, "why") : null,
    listOf([
      ["Time", event.time || "not told by the log"],
      ["Source", finding.path + ", " + finding.format + " record " + grouped(finding.record)],
      ["Log", finding.log + (event.twin ? " (stands in for the event that the rule asks for)" : "")],
      ...assets,
    ]),
  );
}

function ruleOf(finding) {
  const rule = finding.rule;
  const techniques = rule.techniques.map((name, at) => name.toUpperCase() + (rule.names[at] ? " " + rule.names[at] : ""));
  return element(
    "div",
    {},
    element("h3", {}, "Rule: ", visible(rule.title), " ", levelMark(rule.level)),
    listOf([
      ["Id", rule.id],
      ["Status", rule.status],
      ["Author", rule.author],
      ["File", rule.path],
      ["Techniques", techniques.join(", ")],
    ]),
    rule.references.length ? referencesOf(rule) : null,
    rule.text ? textOfRule(rule) : null,
  );
}

function referencesOf(rule) {
  const items = rule.references.map((text) => element("li", {}, linkTo(text)));
  return element("div", {}, element("h4", {}, "References"), element("ul", { class: "plain" }, ...items));
}

function textOfRule(rule) {
  const text = element("pre", { tabindex: "0" }, visible(rule.text));
  return element("details", {}, element("summary", {}, "Text of the rule"), text);
}

// Returns a link to an address of the web; anything else stays a text.
function linkTo(text) {
  if (!/^https?:\/\/[^\s]+$/i.test(text)) return visible(text);
  return element("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, visible(text));
}

function listOf(pairs) {
  const told = pairs.filter(([, value]) => value);
  const items = told.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, oneLine(value))));
  return element("dl", { class: "facts" }, ...items);
}

function recordOf(finding, event) {
  const marks = marksOf(event);
  const joined = finding.log === CORRELATION ? event.rows.filter(([name]) => PART.test(name)) : [];
  const own = event.rows.map((row, at) => [...row, at]).filter(([name]) => !(joined.length && PART.test(name)));
  const rows = own.map(([name, value, at]) => {
    const needles = marks.get(at) || [];
    const hint = needles.length ? element("span", { class: "hidden" }, " (matched)") : null;
    const label = element("th", { scope: "row" }, visible(name), hint);
    return element("tr", { class: needles.length ? "matched" : null }, label, valueCell(value, needles));
  });
  const more = event.left_out ? counted(event.left_out, "further value") + " of the event are not shown here." : "";
  return element(
    "div",
    {},
    joined.length ? eventsOf(joined) : null,
    tableOf("Event: " + finding.log, ["Name", "Value"], rows, "record"),
    more ? element("p", { class: "note" }, more) : null,
  );
}

// Returns the events that a correlation joined as a table, from rows such as `events.0.time`.
function eventsOf(rows) {
  const events = new Map();
  for (const [name, value] of rows) {
    const [, at, key] = PART.exec(name);
    if (!events.has(at)) events.set(at, new Map());
    events.get(at).set(key, value);
  }
  const all = [...events.values()];
  const keys = [...new Set(all.flatMap((event) => [...event.keys()]))];
  const lines = all.map((event) => element("tr", {}, ...keys.map((key) => valueCell(event.get(key) || "", []))));
  const names = keys.map((key) => visible(key[0].toUpperCase() + key.slice(1)));
  return tableOf("Events that belong together", names, lines, "joined");
}

// Returns by row of an event the texts to mark in it: in a field of that name, else in any row that holds the value, the parts
// of the value that the rule was about, or all of it.
function marksOf(event) {
  const marks = new Map();
  const where = (test) => event.rows.flatMap(([name, text], at) => (test(name, text) ? [at] : []));
  for (const [, field, values, parts] of event.matched) {
    for (const [number, value] of values.entries()) {
      if (!value) continue;
      let found = where((name, text) => (name === field || name.endsWith("." + field)) && text.includes(value));
      if (!found.length) found = where((name, text) => text === value);
      if (!found.length && field === "*") found = where((name, text) => text.includes(value));
      const needles = parts[number].length ? parts[number] : [value];
      for (const at of found) marks.set(at, [...(marks.get(at) || []), ...needles]);
    }
  }
  return marks;
}

// Returns a cell with a value, the needles in it marked; a long one is cut until it is asked for.
function valueCell(value, needles) {
  const cell = element("td", {}, ...marked(value.slice(0, LONGEST), needles));
  if (value.length > LONGEST) {
    const button = element("button", { type: "button" }, "Show all " + grouped(value.length) + " characters");
    button.addEventListener("click", () => cell.replaceChildren(...marked(value, needles)));
    cell.append(" … ", button);
  }
  return cell;
}

// Returns a text with the first place of each needle marked; all of it where none of them is in it.
function marked(text, needles) {
  const places = needles.map((needle) => [text.indexOf(needle), needle.length]).filter(([at]) => at >= 0);
  if (needles.length && !places.length) return [element("mark", {}, visible(text))];
  const parts = [];
  let done = 0;
  for (const [at, length] of places.sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    if (at < done) continue;
    parts.push(visible(text.slice(done, at)), element("mark", {}, visible(text.slice(at, at + length))));
    done = at + length;
  }
  return [...parts, visible(text.slice(done))];
}

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
    element("tr", {}, element("th", { scope: "row" }, visible(selection)), element("td", {}, field === "*" ? "whole event" : visible(field || "measure")), valueCell(values.join("\n"), [])),
  );
  const head = element("tr", {}, ...["Selection", "Field", "Value"].map((name) => element("th", { scope: "col" }, name)));
  const caption = element("caption", {}, "What matched");
  const assets = event.assets.map(([text, label]) => [oneLine(text), label]);
  return element(
    "div",
    {},
    rows.length ? element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What matched" }, element("table", { class: "why" }, caption, element("thead", {}, head), element("tbody", {}, ...rows))) : null,
    listOf([
      ["Time", event.time || "not told by the log"],
      ["Source", finding.path + ", " + finding.format + " record " + finding.record.toLocaleString("en")],
      ["Log", finding.log + (event.twin ? " (stands in for the event that the rule asks for)" : "")],
      ...assets,
    ]),
  );
}

function ruleOf(finding) {
  const rule = finding.rule;
  const techniques = rule.techniques.map((name, at) => name.toUpperCase() + (rule.names[at] ? " " + rule.names[at] : ""));
  const references = rule.references.map((text) => element("li", {}, linkTo(text)));
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
    references.length ? element("div", {}, element("h4", {}, "References"), element("ul", { class: "plain" }, ...references)) : null,
    rule.text ? element("details", {}, element("summary", {}, "Text of the rule"), element("pre", { tabindex: "0" }, visible(rule.text))) : null,
  );
}

// Returns a link to an address of the web; anything else stays a text.
function linkTo(text) {
  if (!/^https?:\/\/[^\s]+$/i.test(text)) return visible(text);
  return element("a", { href: text, rel: "noopener noreferrer", target: "_blank" }, visible(text));
}

function listOf(pairs) {
  const items = pairs.filter(([, value]) => value).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, oneLine(value))));
  return element("dl", { class: "facts" }, ...items);
}

function recordOf(finding, event) {
  const marks = marksOf(event);
  const joined = finding.log === CORRELATION ? event.rows.filter(([name]) => PART.test(name)) : [];
  const own = event.rows.map((row, at) => [...row, at]).filter(([name]) => !(joined.length && PART.test(name)));
  const rows = own.map(([name, value, at]) => {
    const needles = marks.get(at) || [];
    const label = element("th", { scope: "row" }, visible(name), needles.length ? element("span", { class: "hidden" }, " (matched)") : null);
    return element("tr", { class: needles.length ? "matched" : null }, label, valueCell(value, needles));
  });
  const more = event.left_out ? element("p", { class: "note" }, counted(event.left_out, "further value") + " of the event are not shown here.") : null;
  const caption = element("caption", {}, "Event: " + finding.log);
  const head = element("tr", {}, ...["Name", "Value"].map((name) => element("th", { scope: "col" }, name)));
  const table = element("table", { class: "record" }, caption, element("thead", {}, head), element("tbody", {}, ...rows));
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Event" }, table);
  return element("div", {}, joined.length ? eventsOf(joined) : null, scroll, more);
}

// Returns the events that a correlation joined as a table, from rows such as `events.0.time`.
function eventsOf(rows) {
  const events = new Map();
  for (const [name, value] of rows) {
    const [, at, key] = PART.exec(name);
    if (!events.has(at)) events.set(at, new Map());
    events.get(at).set(key, value);
  }
  const keys = [...new Set([...events.values()].flatMap((event) => [...event.keys()]))];
  const lines = [...events.values()].map((event) => element("tr", {}, ...keys.map((key) => valueCell(event.get(key) || "", []))));
  const head = element("tr", {}, ...keys.map((key) => element("th", { scope: "col" }, visible(key[0].toUpperCase() + key.slice(1)))));
  const caption = element("caption", {}, "Events that belong together");
  const table = element("table", { class: "joined" }, caption, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Events that belong together" }, table);
}

// Returns by row of an event the texts to mark in it: those of a field of that name, else those of any row that holds them.
function marksOf(event) {
  const marks = new Map();
  const mark = (at, value) => marks.set(at, [...(marks.get(at) || []), value]);
  for (const [, field, values] of event.matched) {
    for (const value of values.filter(Boolean)) {
      const named = event.rows.flatMap(([name, text], at) => ((name === field || name.endsWith("." + field)) && text.includes(value) ? [at] : []));
      const same = named.length ? named : event.rows.flatMap(([, text], at) => (text === value ? [at] : []));
      const found = same.length || field !== "*" ? same : event.rows.flatMap(([, text], at) => (text.includes(value) ? [at] : []));
      for (const at of found) mark(at, value);
    }
  }
  return marks;
}

// Returns a cell with a value, the needles in it marked; a long one is cut until it is asked for.
function valueCell(value, needles) {
  const cell = element("td", {}, ...marked(value.slice(0, LONGEST), needles));
  if (value.length > LONGEST) {
    const button = element("button", { type: "button" }, "Show all " + value.length.toLocaleString("en") + " characters");
    button.addEventListener("click", () => cell.replaceChildren(...marked(value, needles)));
    cell.append(" … ", button);
  }
  return cell;
}

function marked(text, needles) {
  const needle = needles.find((item) => text.includes(item));
  if (needles.length && !needle) return [element("mark", {}, visible(text))];
  if (!needle) return [visible(text)];
  const at = text.indexOf(needle);
  return [visible(text.slice(0, at)), element("mark", {}, visible(needle)), visible(text.slice(at + needle.length))];
}

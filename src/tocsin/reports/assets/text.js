// Elements and texts. Whatever comes from evidence becomes a text node here, never markup.

const LEVELS = ["informational", "low", "medium", "high", "critical"];
const UNSAFE = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff" +
    "\\ufff9-\\ufffb\\u{e0000}-\\u{e007f}\\p{Surrogate}]",
  "gu",
);

// Returns a text of one or more lines in which nothing is hidden or turned round: such characters are written as \u202e.
function visible(text) {
  return text.replace(/\r\n/g, "\n").replace(UNSAFE, written);
}

// Returns a text on one line, visible, as Python writes it into the page.
function oneLine(text) {
  return text.replace(UNSAFE, written).replace(/[\n\t]/g, written);
}

function written(found) {
  const code = found.codePointAt(0);
  const [mark, digits] = code > 0xffff ? ["\\U", 8] : code > 0xff ? ["\\u", 4] : ["\\x", 2];
  return mark + code.toString(16).padStart(digits, "0");
}

// Returns an element with attributes and children; a child that is a text stays a text.
function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== false && value !== undefined) made.setAttribute(key, value === true ? "" : String(value));
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) made.append(child);
  }
  return made;
}

// Returns an element of a picture.
function shape(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function grouped(count) {
  return count.toLocaleString("en");
}

function counted(count, one) {
  return grouped(count) + " " + one + (count === 1 ? "" : "s");
}

// Returns milliseconds since 1970 as a UTC time; `size` is the number of characters, 19 to the second.
function utc(time, size) {
  return time === null ? "" : new Date(time).toISOString().slice(0, size).replace("T", " ");
}

// Returns the milliseconds of a UTC time as it is typed, NaN when it is none; a date alone is its midnight.
function parseUtc(text) {
  const found = /^\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?))?Z?\s*$/.exec(text);
  return found ? Date.parse(found[1] + "T" + (found[2] || "00:00") + "Z") : NaN;
}

// Returns a table with its caption in a box of its own to scroll in.
function tableOf(caption, names, rows, look) {
  const head = element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, name)));
  const table = element(
    "table",
    { class: look },
    element("caption", {}, caption),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, table);
}

function levelMark(level) {
  return element("span", { class: "level l-" + level }, level);
}

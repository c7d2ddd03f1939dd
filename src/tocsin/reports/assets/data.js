// The data of the page: the index of all findings, and blocks of events that are unpacked when one of theirs is looked at.

const KEPT_BLOCKS = 6;

function readData(kind) {
  return Array.from(document.querySelectorAll("script." + kind), (node) => JSON.parse(node.textContent));
}

const rules = readData("rules")[0] || [];
const incidents = readData("incidents")[0] || [];
const starts = [];
const findings = readFindings();
const unpacked = new Map();

function readFindings() {
  const found = [];
  const known = new Map(); // one text, on one line and visible, for the same host in many blocks
  const shared = (text) => known.get(text) ?? known.set(text, oneLine(text)).get(text);
  for (const block of readData("index")) {
    starts.push(block.first);
    const texts = block.texts.map(shared);
    for (const [time, rule, host, log, path, format, record, incident, preview, users] of block.rows) {
      found.push({
        number: found.length + 1,
        time,
        rule: rules[rule],
        ruleNumber: rule,
        level: LEVELS.indexOf(rules[rule].level),
        host: texts[host],
        log: texts[log],
        path: texts[path],
        format: texts[format],
        record,
        incident,
        preview: oneLine(preview),
        users: users.map((user) => texts[user]),
      });
    }
  }
  return found;
}

// Returns the lines of a block, each an event as JSON; the last few blocks are kept.
async function linesOf(first) {
  if (!unpacked.has(first)) {
    const packed = atob(byId("events-" + first).textContent);
    const bytes = new Uint8Array(packed.length);
    for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const lines = (await new Response(stream).text()).split("\n");
    lines.pop();
    if (unpacked.size >= KEPT_BLOCKS) unpacked.delete(unpacked.keys().next().value);
    unpacked.set(first, lines);
  }
  return unpacked.get(first);
}

// Returns the event of a finding.
async function eventOf(finding) {
  let at = starts.length - 1;
  while (starts[at] >= finding.number) at--;
  return JSON.parse((await linesOf(starts[at]))[finding.number - 1 - starts[at]]);
}

// Calls `hit` with the number of each finding whose event has the text somewhere, in any case; `told` gets the share that
// is done and may end the search with false.
async function searchEvents(text, hit, told) {
  const wanted = text.toLowerCase();
  const raw = JSON.stringify(wanted).slice(1, -1);
  for (const [at, first] of starts.entries()) {
    const lines = await linesOf(first);
    lines.forEach((line, number) => {
      if (line.toLowerCase().includes(raw) && holds(JSON.parse(line), wanted)) hit(first + number + 1);
    });
    if (!told((at + 1) / starts.length)) return;
  }
}

// Tells whether a text stands in a name or value of an event, not only across the marks between them.
function holds(event, wanted) {
  return event.rows.some(([name, value]) => name.toLowerCase().includes(wanted) || value.toLowerCase().includes(wanted));
}

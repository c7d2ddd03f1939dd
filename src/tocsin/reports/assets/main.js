// What ties the page together: the theme, buttons that filter from afar, links to findings, and paper.

const THEME = "tocsin-theme";
const CHOICES = ["host", "rule", "text", "user", "technique", "incident"];

function startTheme() {
  const select = byId("theme");
  const set = (name) => {
    if (name === "light" || name === "dark") document.documentElement.dataset.theme = name;
    else delete document.documentElement.dataset.theme;
    select.value = name;
  };
  try {
    set(localStorage.getItem(THEME) || "system");
  } catch {
    set("system"); // a browser that keeps nothing for files
  }
  select.addEventListener("change", () => {
    set(select.value);
    try {
      localStorage.setItem(THEME, select.value);
    } catch {
      // the choice holds for this visit
    }
  });
}

function chooseFrom(button) {
  const { kind, value } = button.dataset;
  if (kind === "level") choose({ ...NONE, levels: new Set([value]) });
  else if (CHOICES.includes(kind)) choose({ ...NONE, [kind]: value });
  byId("findings").scrollIntoView();
  byId("count").textContent += " ";
  byId("findings-title").focus({ preventScroll: true });
}

function follow() {
  const found = /^#finding-(\d+)$/.exec(location.hash);
  if (found) showFinding(Number(found[1]));
  const incident = /^#incident-\d+$/.test(location.hash) ? byId(location.hash.slice(1)) : null;
  if (incident) {
    incident.open = true;
    incident.scrollIntoView();
  }
}

// Opens on paper what incidents hold, and closes it again.
function startPrinting() {
  let folds = [];
  addEventListener("beforeprint", () => {
    folds = [...document.querySelectorAll("#incidents details:not([open])")];
    for (const item of folds) item.open = true;
    printTable();
  });
  addEventListener("afterprint", () => {
    for (const item of folds) item.open = false;
    drawTable();
  });
}

document.documentElement.classList.add("has-script");
startTheme();
if (findings.length) {
  byId("findings-title").tabIndex = -1;
  startFilters();
  startTable();
  startTimeline();
  update();
  startPrinting();
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".choose");
    if (button) chooseFrom(button);
    const link = event.target.closest("a.to, a.into");
    if (link && link.hash === location.hash) follow();
  });
  follow();
}

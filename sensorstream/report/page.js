"use strict";
// The pages read without this; with it tables can be searched and sorted, and pictures tell values where one points.

const number = value => value === null || value === undefined ? "" : typeof value === "number" ? value.toLocaleString("en", {maximumSignificantDigits: 7}) : value;

function hold(tags) {
  const paths = [], unpacked = name => tags[name].codes.map(code => tags[name].values[code]);
  for (let at = 0, path = ""; at < tags.paths.length; at += 2) paths.push(path = path.slice(0, tags.paths[at]) + tags.paths[at + 1]);
  const columns = {tag: paths, count: tags.count, least: tags.least, mean: tags.mean, greatest: tags.greatest, last: tags.last,
    gaps: tags.gaps || paths.map(() => null), good: tags.good, unit: unpacked("unit"), type: unpacked("datatype")};
  const notes = unpacked("note");
  return {columns, notes, pictures: tags.pictures, low: paths.map((path, row) => `${path} ${columns.unit[row]} ${columns.type[row]} ${notes[row]}`.toLowerCase())};
}

function tagTable(block) {
  const {columns, notes, pictures, low} = hold(JSON.parse(block.textContent)), all = low.map((_, row) => row), few = 100;
  const table = document.getElementById("tag-table"), body = table.tBodies[0], find = document.getElementById("find");
  const said = document.getElementById("found"), more = document.getElementById("more"), collator = new Intl.Collator("en", {numeric: true});
  let sorted = all, shown = few;
  const compare = values => (a, b) => {
    const [x, y] = [values[a], values[b]];
    if (x === y) return 0;
    if (x === null || x === "") return Infinity;
    if (y === null || y === "") return -Infinity;
    return typeof x === "number" && typeof y === "number" ? x - y : typeof x === typeof y ? collator.compare(x, y) : typeof x === "number" ? -1 : 1;
  };
  const rowOf = row => {
    const tr = document.createElement("tr");
    for (const [name, values] of Object.entries(columns)) {
      const cell = document.createElement(name === "tag" ? "th" : "td"), value = values[row];
      if (name === "tag") cell.scope = "row";
      cell.className = {tag: "path", unit: "word", type: "word"}[name] || "count";
      if (name === "tag") {
        const link = pictures[value] ? cell.appendChild(document.createElement("a")) : cell;
        if (link !== cell) link.href = "#" + pictures[value];
        link.append(...value.split(/(?<=\/)/).flatMap(part => [part, document.createElement("wbr")]));
        if (notes[row]) cell.appendChild(document.createElement("small")).textContent = notes[row];
      } else cell.textContent = number(value) + (name === "good" && value !== null ? " %" : "");
      tr.append(cell);
    }
    return tr;
  };
  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = words.length ? sorted.filter(row => words.every(word => low[row].includes(word))) : sorted;
    body.replaceChildren(...rows.slice(0, shown).map(rowOf));
    said.textContent = `${rows.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} tags`;
    more.hidden = rows.length <= shown;
  };
  table.tHead.addEventListener("click", event => {
    const head = event.target.closest("th");
    if (!head) return;
    const order = head.ariaSort === "ascending" ? "descending" : "ascending", by = compare(columns[head.dataset.column]);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.ariaSort = order;
    // What is empty stands last, whichever way.
    sorted = [...all].sort((a, b) => { const found = by(a, b); return Number.isFinite(found) && order === "descending" ? -found : Math.sign(found); });
    show();
  });
  find.addEventListener("input", () => { shown = few; show(); });
  more.addEventListener("click", () => { shown += 10 * few; show(); });
  addEventListener("beforeprint", () => { shown = Infinity; show(); });
  show();
}

function runFilter(find) {
  const rows = [...document.querySelectorAll("tr[data-run]")], said = document.getElementById("found");
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) count += !(row.hidden = !words.every(word => row.textContent.toLowerCase().includes(word)));
    if (words.length) document.querySelectorAll("details.runs").forEach(each => { each.open = true; });
    said.textContent = words.length ? `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} runs` : "";
  });
}

function values(element, event) {
  const tip = JSON.parse(element.dataset.tip), box = element.getBoundingClientRect(), [left, top, right, bottom] = tip.box || [0, 0, 1, 1];
  const x = ((event.clientX - box.left) / box.width - left) / (right - left), y = ((event.clientY - box.top) / box.height - top) / (bottom - top);
  if (x < 0 || x >= 1 || y < 0 || y >= 1) return "";
  if (tip.rows) {  // tags by time
    const row = Math.floor(y * tip.rows.length), bar = Math.floor(x * tip.labels.length), lost = tip.lost[row] ? tip.lost[row][bar] : 0;
    return `${tip.rows[row]}\n${tip.labels[bar]}: ${number(tip.counts[row][bar])} kept` + (lost ? `, ${number(lost)} rejected` : "");
  }
  if (tip.labels) {  // bars at whole places, or points at those named
    const at = tip.x[0] + x * (tip.x[1] - tip.x[0]), away = tip.places?.map(place => Math.abs(place - at));
    const bar = away ? away.indexOf(Math.min(...away)) : Math.round(at);
    if (!(bar in tip.labels)) return "";
    return [tip.labels[bar], ...Object.entries(tip.values).map(([name, of]) => `${name}: ${number(of[bar])}`)].join("\n");
  }
  const path = element.querySelector(".pointed path");  // a line, whose corners are readings
  if (!path) return "";
  const view = element.viewBox.baseVal, wanted = (left + x * (right - left)) * view.width;
  const corners = [...path.getAttribute("d").matchAll(/[ML] (\S+) (\S+)/g)].map(found => [+found[1], +found[2]]);
  if (!corners.length) return "";
  const [cx, cy] = corners.reduce((best, corner) => Math.abs(corner[0] - wanted) < Math.abs(best[0] - wanted) ? corner : best);
  const when = tip.times[0] + (cx / view.width - left) / (right - left) * (tip.times[1] - tip.times[0]);
  const value = tip.y[1] - (cy / view.height - top) / (bottom - top) * (tip.y[1] - tip.y[0]);
  const places = Math.floor(3.5 - Math.log10(tip.y[1] - tip.y[0]));  // as fine as the line is drawn
  const round = places < 0 ? Math.round(value / 10 ** -places) * 10 ** -places : +value.toFixed(Math.min(places, 99));
  const told = tip.states.length ? tip.states[Math.round(value)] : number(round + 0);
  const clock = new Intl.DateTimeFormat("en-GB", {timeZone: document.body.dataset.zone, day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit"});
  return `${told} ${tip.unit}\n${clock.format(when)}`;
}

function tips() {
  const box = document.body.appendChild(document.createElement("div"));
  box.className = "tip";
  box.hidden = true;
  for (const element of document.querySelectorAll(".tipped")) {
    element.addEventListener("pointermove", event => {
      box.textContent = values(element, event);
      box.hidden = !box.textContent;
      box.style.left = `${Math.max(0, Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8))}px`;
      box.style.top = `${event.clientY + 18 + box.offsetHeight > innerHeight ? event.clientY - box.offsetHeight - 10 : event.clientY + 18}px`;
    });
    element.addEventListener("pointerleave", () => { box.hidden = true; });
  }
}

const block = document.getElementById("tag-data"), filter = document.getElementById("filter");
if (block) tagTable(block);
if (filter) runFilter(filter);
tips();

// The item browser. Texts of samples and judges are strangers' text: they only ever become text
// nodes, and nothing is fetched.
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const index = JSON.parse($("index").textContent);
  const rows = index.columns;
  const PAGE = 50;
  const LABEL = { right: "right", wrong: "wrong", tied: "tied", unscored: "unscored", unknown: "no truth" };
  const state = { view: [], page: 0, open: -1, search: 0 };

  // An element with children; strings become text nodes, null is left out.
  function make(tag, options, ...children) {
    const { cls, ...attributes } = options || {};
    const element = document.createElement(tag);
    if (cls) element.className = cls;
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }

  // Blocks of texts, unpacked when first needed; the last few dozen are kept.
  const kept = new Map();
  async function block(kind, number) {
    const key = kind + number;
    if (kept.has(key)) return kept.get(key);
    const packed = Uint8Array.from(atob(await arrived(key)), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const records = JSON.parse(await new Response(stream).text());
    kept.set(key, records);
    if (kept.size > 48) kept.delete(kept.keys().next().value);
    return records;
  }
  // The page goes on loading while it is used; the last element may be there in part.
  async function arrived(key) {
    const whole = () => document.readyState !== "loading" || $(key)?.nextElementSibling;
    while (!whole()) await new Promise((resolve) => setTimeout(resolve, 20));
    return $(key).textContent;
  }
  async function record(kind, number) {
    return (await block(kind, Math.floor(number / index.block)))[number % index.block];
  }

  const outcome = (row) => index.outcomes[rows.outcome[row]];
  const subset = (row) => index.subsets[rows.subset[row]];

  function tag(name) {
    return make("span", { cls: "tag " + name }, LABEL[name] || name);
  }
  function number(value, digits = 2) {
    if (value === null || value === undefined) return "–";
    return Number.isInteger(value) ? String(value) : value.toFixed(digits);
  }

  const share = (value) => (value === null ? "–" : value.toFixed(2));

  // Filters
  const fields = ["search", "scope", "outcome", "subset", "judge", "low", "below", "failed", "sort"];
  const field = Object.fromEntries(fields.map((name) => [name, $("f-" + name)]));
  function options(select, values, labels) {
    values.forEach((value, i) => select.append(make("option", { value }, labels[i])));
    select.parentElement.hidden = values.length < 2; // nothing to choose from
  }
  options(field.outcome, index.outcomes, index.outcomes.map((name) => LABEL[name]));
  options(field.subset, index.subsets.map((_, i) => String(i)), index.subsets.map((s) => s || "none"));
  options(field.judge, index.judges.map((_, i) => String(i)), index.judges);

  function matching() {
    const wanted = field.outcome.value;
    const below = field.low.checked ? Number(field.below.value) : null;
    const found = [];
    for (let row = 0; row < index.n; row++) {
      if (wanted && outcome(row) !== wanted) continue;
      if (field.subset.value !== "" && rows.subset[row] !== Number(field.subset.value)) continue;
      if (field.judge.value !== "" && rows.judge[row] !== Number(field.judge.value)) continue;
      if (below !== null && !(rows.confidence[row] !== null && rows.confidence[row] < below)) continue;
      if (field.failed.checked && !rows.failed[row]) continue;
      found.push(row);
    }
    return found;
  }
  function sorted(view) {
    const by = field.sort.value;
    if (by === "confidence") view.sort((a, b) => (rows.confidence[a] ?? 2) - (rows.confidence[b] ?? 2) || a - b);
    if (by === "failed") view.sort((a, b) => rows.failed[b] - rows.failed[a] || a - b);
    return view;
  }
  // Whether some text in a record has all the words. The words may be in different texts of it.
  function texts(value, out) {
    if (typeof value === "string") out.push(value.toLowerCase());
    else if (value && typeof value === "object") for (const part of Object.values(value)) texts(part, out);
    return out;
  }
  async function searched(view, words, ticket) {
    const own = (row) => [rows.id[row], rows.text[row], subset(row)].join("\n").toLowerCase();
    if (field.scope.value === "index") return view.filter((row) => words.every((w) => own(row).includes(w)));
    const found = [];
    let shown = performance.now();
    for (let i = 0; i < view.length; i++) {
      const row = view[i];
      const parts = [own(row)];
      texts(await record("s", rows.sample[row]), parts);
      texts(await record("v", row), parts);
      const all = parts.join("\n");
      if (words.every((w) => all.includes(w))) found.push(row);
      if (performance.now() - shown > 120) {
        if (ticket !== state.search) return null;
        $("status").textContent = `Searching: ${i + 1} of ${view.length} items, ${found.length} found`;
        await new Promise((resolve) => setTimeout(resolve));
        shown = performance.now();
      }
    }
    return found;
  }
  async function refresh() {
    const ticket = ++state.search;
    const words = field.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let view = matching();
    if (words.length) view = await searched(view, words, ticket);
    if (view === null || ticket !== state.search) return; // a later search has begun
    state.view = sorted(view);
    state.page = 0;
    list();
  }

  function list() {
    const { view } = state;
    const pages = Math.max(1, Math.ceil(view.length / PAGE));
    const start = state.page * PAGE;
    const body = $("list").tBodies[0];
    body.replaceChildren(...view.slice(start, start + PAGE).map(line));
    $("status").textContent = view.length === index.n
      ? `${index.n} items` : `${view.length} of ${index.n} items`;
    $("page").textContent = `page ${state.page + 1} of ${pages}`;
    $("prev").disabled = state.page === 0;
    $("next").disabled = state.page >= pages - 1;
    $("pager").hidden = pages === 1;
  }
  function line(row) {
    const failed = rows.failed[row];
    const element = make("tr", { "data-row": row },
      make("td", null, make("button", { type: "button", cls: "link" }, rows.id[row]),
        index.judges.length > 1 ? make("div", { cls: "sub" }, index.judges[rows.judge[row]]) : null),
      make("td", null, tag(outcome(row))),
      make("td", { cls: "r", "data-label": "confidence" }, share(rows.confidence[row])),
      make("td", { cls: "r", "data-label": "failed" }, failed ? `${failed}/${rows.votes[row]}` : ""),
      make("td", null, subset(row)),
      make("td", null, rows.text[row]));
    element.addEventListener("click", () => open(row));
    return element;
  }
  function turn(step) {
    state.page += step;
    list();
    $("items").scrollIntoView();
  }

  // One item
  const letter = (i) => (i < 26 ? String.fromCharCode(65 + i) : String(i + 1));
  async function open(row) {
    state.open = row;
    const dialog = $("item");
    const [sample, verdict] = await Promise.all([record("s", rows.sample[row]), record("v", row)]);
    if (state.open !== row) return;
    $("item-title").replaceChildren(rows.id[row], " ", tag(outcome(row)));
    $("item-body").replaceChildren(...item(row, sample, verdict));
    const place = state.view.indexOf(row);
    $("item-prev").disabled = place <= 0;
    $("item-next").disabled = place < 0 || place >= state.view.length - 1;
    if (!dialog.open) dialog.showModal();
    $("item-body").scrollTop = 0;
    $("item-title").focus();
    history.replaceState(null, "", `#item=${rows.judge[row]}:${encodeURIComponent(rows.id[row])}`);
  }
  function step(by) {
    const next = state.view[state.view.indexOf(state.open) + by];
    if (next !== undefined && state.view.includes(state.open)) open(next);
  }
  function item(row, sample, verdict) {
    const facts = [index.judges[rows.judge[row]], subset(row),
      verdict.confidence === null ? null : `confidence ${share(verdict.confidence)}`,
      `${verdict.votes.length} votes`, rows.failed[row] ? `${rows.failed[row]} failed` : null,
      verdict.usage.cost ? `$${verdict.usage.cost.toPrecision(3)}` : null];
    return [
      make("p", { cls: "sub" }, facts.filter(Boolean).join(" · ")),
      make("h3", null, "Query"),
      ...sample.query.map(([role, text]) =>
        make("div", { cls: "turn" }, make("b", null, role), make("div", { cls: "text" }, text))),
      sample.query.length ? null : make("p", { cls: "empty" }, "The text is not in the run."),
      sample.reference === null ? null : make("div", { cls: "turn" }, make("b", null, "reference"),
        make("div", { cls: "text" }, sample.reference)),
      make("h3", null, "Responses"),
      make("div", { cls: "side" }, sample.responses.map((text, i) => response(row, i, text, sample, verdict))),
      make("h3", null, "Votes"),
      ...verdict.votes.map((vote, i) => ballot(vote, i, verdict.votes.length)),
    ].filter(Boolean);
  }
  function response(row, i, text, sample, verdict) {
    const best = rows.best[row] === i;
    return make("div", { cls: best ? "response best" : "response" },
      make("header", null, make("b", null, letter(i)),
        sample.policies ? make("span", null, sample.policies[i]) : null,
        verdict.rewards ? make("span", null, `reward ${number(verdict.rewards[i])}`) : null,
        sample.truth ? make("span", null, `truth ${number(sample.truth[i])}`) : null,
        best ? make("span", { cls: "tag" }, "judge’s best") : null,
        rows.truth[row] === i ? make("span", { cls: "tag right" }, "truly best") : null),
      make("div", { cls: "text" }, text || "(no text)"));
  }
  function ballot(vote, i, count) {
    const title = `Vote ${vote.draw + 1}`;
    const side = [vote.judge || null,
      vote.order.length > 1 ? `shown ${vote.order.map(letter).join(", ")}` : null,
      vote.seconds ? `${number(vote.seconds, 1)} s` : null,
      vote.cost ? `$${vote.cost.toPrecision(2)}` : null].filter(Boolean).join(" · ");
    const open = count <= 3 || i === 0 ? "" : null;
    if (vote.status) {
      return make("details", { cls: "vote", open },
        make("summary", null, title, tag("failed"), make("span", null, vote.status.replace("_", " ")), make("span", null, side)),
        make("p", null, vote.message),
        vote.raw ? make("div", { cls: "text raw" }, vote.raw) : null);
    }
    const scores = vote.scores.map((s, r) => `${letter(r)} ${number(s)}`).join("   ");
    return make("details", { cls: "vote", open },
      make("summary", null, title, make("b", null, scores),
        vote.meta === null ? null : make("span", null, `meta reward ${number(vote.meta)}`), make("span", null, side)),
      vote.principles.length ? principles(vote) : null,
      ...vote.critiques.filter(([, text]) => text).map(([r, text]) => [
        make("h4", null, `On response ${letter(r)}`), make("div", { cls: "text" }, text)]).flat(),
      vote.analysis ? make("div", { cls: "text" }, vote.analysis) : null,
      vote.raw ? make("div", { cls: "text raw" }, vote.raw) : null);
  }
  function principles(vote) {
    const scored = vote.critiques.filter(([, , scores]) => scores);
    const head = make("tr", null, make("th", { scope: "col", cls: "r" }, "Weight"), make("th", { scope: "col" }, "Principle"),
      scored.map(([r]) => make("th", { scope: "col", cls: "r" }, letter(r))));
    const lines = vote.principles.map(([name, description, weight], p) => make("tr", null,
      make("td", { cls: "r" }, `${Math.round(weight * 100)} %`),
      make("td", null, make("b", null, name), description ? `: ${description}` : null),
      scored.map(([, , scores]) => make("td", { cls: "r" }, number(scores[p])))));
    return make("div", { cls: "scroll" }, make("table", null, make("thead", null, head), make("tbody", null, lines)));
  }
  function linked() {
    const match = /^#item=(\d+):(.*)$/.exec(location.hash);
    if (!match) return;
    let id;
    try { id = decodeURIComponent(match[2]); } catch { return; }
    const judge = Number(match[1]);
    const row = rows.id.findIndex((name, i) => name === id && rows.judge[i] === judge);
    if (row >= 0) open(row);
    else if (id) $("status").textContent = `Item ${id} is not listed in this report.`;
  }

  // Wiring
  let waiting;
  $("filters").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(refresh, 120); });
  $("filters").addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
  $("filters").addEventListener("reset", () => setTimeout(refresh));
  $("prev").addEventListener("click", () => turn(-1));
  $("next").addEventListener("click", () => turn(1));
  $("item-prev").addEventListener("click", () => step(-1));
  $("item-next").addEventListener("click", () => step(1));
  $("item-close").addEventListener("click", () => $("item").close());
  $("item").addEventListener("click", (event) => { if (event.target === $("item")) $("item").close(); });
  $("item").addEventListener("close", () => {
    history.replaceState(null, "", "#items");
    const row = $("list").querySelector(`tr[data-row="${state.open}"] button`);
    state.open = -1;
    if (row) row.focus();
  });
  addEventListener("hashchange", linked);
  addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName || "");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if ($("item").open) {
      if (event.key === "j" || event.key === "ArrowRight") step(1);
      if (event.key === "k" || event.key === "ArrowLeft") step(-1);
    } else if (event.key === "/") {
      event.preventDefault();
      field.search.focus();
    }
  });
  $("filters").hidden = false;
  if (index.n) {
    $("list").hidden = false;
    state.view = matching();
    list();
    linked();
  } else $("status").textContent = "No items.";
  document.documentElement.dataset.ready = "1";
})();

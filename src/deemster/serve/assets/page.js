"use strict";
// Every text goes into the page as text (textContent), never as markup: responses are written by
// models that are being judged.

const $ = (id) => document.getElementById(id);
const state = { asked: null, verdict: null, shown: new Set(), cut: null, judges: [] };

function element(name, text, classes) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

function headers() {
  const sent = { "Content-Type": "application/json" };
  const key = $("key").value.trim();
  if (key) sent.Authorization = `Bearer ${key}`;
  return sent;
}

function addResponse(text = "") {
  const list = $("responses");
  const item = element("li");
  const number = list.children.length + 1;
  const area = element("textarea");
  area.rows = 3;
  area.value = text;
  area.required = true;
  area.setAttribute("aria-label", `Response ${number}`);
  const remove = element("button", "×");
  remove.type = "button";
  remove.setAttribute("aria-label", `Remove response ${number}`);
  remove.addEventListener("click", () => {
    if (list.children.length > 1) item.remove();
    [...list.children].forEach((one, i) => {
      one.firstChild.textContent = `${i + 1}`;
      one.querySelector("textarea").setAttribute("aria-label", `Response ${i + 1}`);
      one.querySelector("button").setAttribute("aria-label", `Remove response ${i + 1}`);
    });
  });
  item.append(element("span", `${number}`), area, remove);
  list.append(item);
}

async function loadJudges() {
  const reply = await fetch("v1/judges", { headers: headers() });
  if (reply.status === 401) {
    $("served").textContent = "this server asks for a key";
    document.querySelector("details").open = true;
    return;
  }
  if (!reply.ok) throw new Error(`HTTP ${reply.status}`);
  const found = await reply.json();
  state.judges = found.judges;
  $("judge").replaceChildren(...found.judges.map((one) => new Option(one.name, one.name)));
  $("k").max = found.max_k;
  $("k").value = found.judges[0].info.k;
  const rubrics = found.rubrics.map((name) => new Option(name, name));
  $("rubric").replaceChildren(new Option("the judge's own", ""), ...rubrics);
  $("served").textContent = found.judges.map((one) => one.info.model).join(", ");
}

function asked() {
  const body = {
    query: $("query").value,
    responses: [...document.querySelectorAll("#responses textarea")].map((one) => one.value),
  };
  if ($("judge").value) body.judge = $("judge").value;
  if ($("k").value) body.k = Number($("k").value);
  const own = $("principles").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (own.length) body.principles = own;
  else if ($("rubric").value) body.principles = $("rubric").value;
  if ($("reference").value.trim()) body.reference = $("reference").value;
  return body;
}

function say(text, failed = false) {
  $("status").textContent = text;
  $("status").className = failed ? "failed" : "";
}

function begin(sample) {
  state.asked = sample;
  state.verdict = null;
  state.shown = new Set();
  $("outcome").hidden = false;
  $("votes").replaceChildren();
  $("rewards").replaceChildren();
  $("warning").hidden = true;
  $("save").disabled = true;
}

const number = (value) => (Number.isInteger(value) ? `${value}` : value.toFixed(2));

function showRewards(rewards, best) {
  const low = rewards ? Math.min(0, ...rewards) : 0;
  const high = rewards ? Math.max(...rewards, low + 1) : 1;
  const items = state.asked.responses.map((text, i) => {
    const item = element("li", undefined, best === i ? "best" : "");
    item.append(element("strong", `Response ${i + 1}`));
    item.append(element("span", rewards ? number(rewards[i]) : "no reward"));
    if (rewards) {
      const bar = element("meter");
      bar.min = low;
      bar.max = high;
      bar.value = rewards[i];
      bar.setAttribute("aria-label", `reward of response ${i + 1}`);
      item.append(bar);
    }
    const shown = typeof text === "string" ? text : JSON.stringify(text.content ?? text);
    item.append(element("div", shown, "text"));
    return item;
  });
  $("rewards").replaceChildren(...items);
}

function figures(known, done) {
  const parts = [`${known.n_valid} of ${known.votes} votes valid`];
  if (!done) parts[0] += `, ${known.k} asked for`;
  if (known.confidence !== null) parts.push(`confidence ${(known.confidence * 100).toFixed(0)} %`);
  if (!known.rewards) return `No rewards: ${parts.join(", ")}`;
  const n = known.rewards.length;
  const lead = n < 2 ? "" : known.best === null ? "Tied on top: " : `Response ${known.best + 1} leads: `;
  return lead + parts.join(", ");
}

function showVote(vote) {
  if (state.shown.has(vote.draw)) return;
  state.shown.add(vote.draw);
  const failed = vote.kind === "failure";
  const details = element("details", undefined, failed ? "failed" : "");
  const place = vote.judge && state.judges.length !== 1 ? ` (${vote.judge})` : "";
  const head = failed
    ? `Vote ${vote.draw + 1}${place} failed: ${vote.status}`
    : `Vote ${vote.draw + 1}${place}: ` +
      vote.scores.map((one) => (one === null ? "–" : number(one))).join(", ");
  details.append(element("summary", head));
  if (failed) {
    details.append(element("p", vote.message));
  } else {
    if (vote.order.length > 1) {
      details.append(element("p", `shown in the order ${vote.order.map((i) => i + 1).join(", ")}`));
    }
    if (vote.principles.length) details.append(element("h3", "Principles"));
    for (const one of vote.principles) {
      const weight = `${(one.weight * 100).toFixed(0)} %`;
      details.append(element("p", `${one.name} (${weight})${one.description ? ": " : ""}${one.description}`));
    }
    for (const one of vote.critiques) {
      details.append(element("h3", `Response ${one.response + 1}`), element("p", one.text));
    }
    if (vote.analysis && !vote.critiques.length) {
      details.append(element("h3", "Analysis"), element("p", vote.analysis));
    }
  }
  if (vote.raw) {
    const raw = element("details");
    raw.append(element("summary", "What the model wrote"), element("pre", vote.raw));
    details.append(raw);
  }
  const item = element("li");
  item.dataset.draw = vote.draw;
  item.append(details);
  const after = [...$("votes").children].find((one) => Number(one.dataset.draw) > vote.draw);
  $("votes").insertBefore(item, after ?? null);
}

function showVerdict(verdict) {
  state.verdict = verdict;
  verdict.votes.forEach(showVote);
  showRewards(verdict.rewards, verdict.best);
  const known = { ...verdict, votes: verdict.votes.length };
  say(figures(known, true), !verdict.rewards);
  const warnings = [...new Set(verdict.votes.flatMap((vote) => vote.warnings))];
  $("warning").hidden = warnings.length === 0;
  $("warning").textContent = warnings.join(" ");
  $("save").disabled = false;
}

function take(event, data) {
  if (event === "vote") {
    showVote(data.vote);
    showRewards(data.rewards, data.best);
    say(figures(data, false));
  } else if (event === "verdict") {
    showVerdict(data);
  } else if (event === "error") {
    say(data.message, true);
  }
}

async function readEvents(reply) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const field = (name) =>
        lines.filter((line) => line.startsWith(name)).map((line) => line.slice(name.length)).join("\n");
      const data = field("data: ");
      if (data) take(field("event: "), JSON.parse(data));
    }
  }
}

async function judge(event) {
  event.preventDefault();
  begin(asked());
  say("Waiting for the first vote …");
  showRewards(null, null);
  if ($("outcome").getBoundingClientRect().top > window.innerHeight - 200) {
    $("outcome").scrollIntoView();
  }
  state.cut = new AbortController();
  $("go").disabled = true;
  $("stop").hidden = false;
  try {
    const reply = await fetch("v1/score/stream", {
      method: "POST",
      headers: headers(),
      body: JSON.stringify(state.asked),
      signal: state.cut.signal,
    });
    if (!reply.ok) {
      const found = await reply.json().catch(() => null);
      say(found?.error?.message ?? `HTTP ${reply.status}`, true);
      return;
    }
    await readEvents(reply);
    if (!state.verdict && !$("status").classList.contains("failed")) {
      say("The connection ended before the verdict.", true);
    }
  } catch (error) {
    say(error.name === "AbortError" ? "Stopped; the votes that were not in are cancelled." : `${error}`, true);
  } finally {
    $("go").disabled = false;
    $("stop").hidden = true;
  }
}

function save() {
  const text = JSON.stringify({ asked: state.asked, verdict: state.verdict }, null, 1);
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = "verdict.json";
  link.click();
  URL.revokeObjectURL(link.href);
}

async function open() {
  const file = $("open").files[0];
  if (!file) return;
  try {
    const found = JSON.parse(await file.text());
    begin(found.asked);
    showVerdict(found.verdict);
  } catch {
    $("outcome").hidden = false;
    say(`${file.name} is not a saved verdict.`, true);
  }
}

addResponse();
addResponse();
$("add").addEventListener("click", () => addResponse());
$("form").addEventListener("submit", judge);
$("stop").addEventListener("click", () => state.cut?.abort());
$("save").addEventListener("click", save);
$("open").addEventListener("change", open);
$("key").addEventListener("change", () => loadJudges().catch(() => {}));
$("judge").addEventListener("change", () => {
  const chosen = state.judges.find((one) => one.name === $("judge").value);
  if (chosen) $("k").value = chosen.info.k;
});
loadJudges().catch((error) => {
  $("served").textContent = `the server does not answer: ${error.message}`;
});

"use strict";
// Samples are data: their text reaches the page as text nodes only, never as markup.
(() => {
  const PAGE = 20;
  const byId = name => document.getElementById(name);
  const make = (tag, text, kind) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const number = value => value.toLocaleString("en-US");

  // Figures enlarge in place of a link to themselves, which browsers forbid for data.
  const large = byId("large");
  let opener = null;
  for (const button of document.querySelectorAll(".zoom")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const image = button.closest("figure").querySelector("img").cloneNode();
      byId("room").replaceChildren(image);
      opener = button;
      large.showModal();
      // All of it at once, unless that would make it smaller than it is worth enlarging: then it scrolls.
      const room = byId("room").getBoundingClientRect();
      if (Math.max(image.width / room.width, image.height / room.height) < 1.3) image.className = "fit";
    });
  }
  byId("close").addEventListener("click", () => large.close());
  large.addEventListener("close", () => { byId("room").replaceChildren(); if (opener) opener.focus(); });

  const state = byId("state"), form = byId("filters"), rows = byId("rows"), pager = byId("pager");
  let table = null, found = [], page = 0, missing = "";
  const pick = {};

  const cell = (name, row) => {
    const column = table.columns[name];
    return column.codes ? column.values[column.codes[row]] : column[row];
  };

  async function unpack() {
    const text = atob(byId("data").textContent), packed = new Uint8Array(text.length);
    for (let place = 0; place < text.length; place++) packed[place] = text.charCodeAt(place);  // from() takes a second
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function controls() {
    for (const name of table.facets) {
      const values = table.columns[name].values;
      if (values.length < 2) continue;
      const label = make("label", name === "flip" ? "change" : name), choice = make("select");
      choice.name = name;
      choice.append(new Option("all", ""));
      for (const value of values.slice().sort(order(name))) choice.append(new Option(value, value));
      choice.addEventListener("change", changed);
      label.append(choice);
      form.append(label);
      pick[name] = choice;
    }
    const label = make("label", "text"), field = make("input");
    field.type = "search";
    field.name = "text";
    field.placeholder = "in question, target, answer, id";
    let later = 0;
    field.addEventListener("input", () => { clearTimeout(later); later = setTimeout(changed, 150); });
    label.append(field);
    form.append(label);
    pick.text = field;
    const reset = make("button", "All samples");
    reset.type = "button";
    reset.addEventListener("click", () => { for (const one of Object.values(pick)) one.value = ""; changed(); });
    form.append(reset);
    form.addEventListener("submit", event => event.preventDefault());
    form.hidden = false;
  }

  function order(name) {
    if (!["length", "depth", "density"].includes(name)) return undefined;
    const size = text => {
      const value = parseFloat(text.replaceAll(",", ""));
      return Number.isNaN(value) ? -1 : value * (text.endsWith("K") ? 1024 : text.endsWith("M") ? 1048576 : 1);
    };
    return (a, b) => size(a) - size(b);
  }

  // #samples?task=…&length=…: the cells' tables lead here, and a picked view can be kept as a link.
  function readAddress() {
    const [place, query] = location.hash.slice(1).split("?");
    if (place !== "samples" || query === undefined) return false;
    const asked = new URLSearchParams(query);
    missing = "";
    for (const [name, control] of Object.entries(pick)) {
      const value = asked.get(name) || "";
      control.value = value;
      if (control.value !== value) { control.value = ""; missing = `no sample has ${name} “${value}”`; }
    }
    return true;
  }

  function changed() {
    missing = "";
    const asked = new URLSearchParams();
    for (const [name, control] of Object.entries(pick)) if (control.value) asked.set(name, control.value);
    try { history.replaceState(null, "", "#samples?" + asked); } catch { /* some viewers keep the address */ }
    filter();
  }

  function filter() {
    const wanted = Object.entries(pick).filter(([name, control]) => name !== "text" && control.value)
      .map(([name, control]) => [table.columns[name].codes, table.columns[name].values.indexOf(control.value)]);
    const text = pick.text.value.toLowerCase();
    found = [];
    for (let row = 0; row < table.n; row++) {
      if (!wanted.every(([codes, code]) => codes[row] === code)) continue;
      if (text && !["question", "target", "answer", "id"].some(name => cell(name, row).toLowerCase().includes(text))) continue;
      found.push(row);
    }
    if (missing) found = [];
    page = 0;
    show();
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    state.textContent = `${number(found.length)} of ${number(table.n)} samples` + (missing ? `: ${missing}` : found.length ? "" : ": none fits");
    rows.replaceChildren(...found.slice(page * PAGE, (page + 1) * PAGE).map(article));
    pager.hidden = pages < 2;
    byId("page").textContent = `page ${number(page + 1)} of ${number(pages)}`;
    byId("before").disabled = page === 0;
    byId("next").disabled = page === pages - 1;
  }

  function article(row) {
    const get = name => cell(name, row);
    const box = make("article");
    box.setAttribute("aria-label", "Sample " + get("id"));
    const where = [get("length") + " tokens", "depth " + get("depth")];
    if (table.columns.density.values.length > 1) where.push(get("density") + " distractors per 10K");
    for (const name of ["task", "corpus", "run"]) if (table.columns[name].values.length > 1) where.push(get(name));
    const head = make("h3", where.join(" · ") + " "), score = get("score");
    const partly = score !== null && score > 0 && score < 1;
    head.append(make("span", get("outcome") + (partly ? " " + score : ""), get("outcome") === "right" ? "badge good" : "badge"));
    const list = make("dl");
    const say = (name, content, block = true) => {
      const value = make("dd"), text = make(block ? "pre" : "bdi", content);
      text.dir = "auto";
      value.append(text);
      list.append(make("dt", name), value);
    };
    say("asked", get("question"));
    say("right", get("target"));
    if (table.columns.other) {
      say(`first: ${get("other_outcome")}`, get("other") || "(nothing)");
      say(`second: ${get("outcome")}`, get("answer") || "(nothing)");
    } else say("answered", get("answer") || "(nothing)");
    if (get("error")) say("failed", get("error"));
    if (get("explanation")) say("scored so", get("explanation"), false);
    say("needle", place(get), false);
    if (get("picked_start") !== null) {
      const away = get("needle_start") === null ? "" : `, ${number(Math.abs(get("picked_start") - get("needle_start")))} tokens `
        + (get("picked_start") < get("needle_start") ? "before the needle" : "behind the needle");
      say("distractor", `${get("picked_tier") || "of no tier"}, from token ${number(get("picked_start"))}${away}`, false);
    }
    const around = get("around");
    if (around) for (const passage of around) list.append(make("dt", "around " + passage[0], "around"), surroundings(passage));
    else if (get("needle_text")) say("needle's text", get("needle_text"));
    const facts = [get("id"), `seed ${get("seed")}`, `${get("n_distractors")} distractors`, `${get("n_co_needles")} other needles`];
    if (get("output_tokens") !== null) facts.push(`${number(get("output_tokens"))} tokens generated`);
    if (get("thinking_tokens") !== null) facts.push(`${number(get("thinking_tokens"))} of them thinking`);
    if (get("finish_reason")) facts.push(`finished: ${get("finish_reason")}`);
    say("sample", facts.join(", "), false);
    box.append(head, list);
    return box;
  }

  function place(get) {
    if (get("needle_start") === null) return "there is none";
    const parts = [`tokens ${number(get("needle_start"))}–${number(get("needle_end"))} of ${number(get("haystack_tokens"))}`];
    if (get("place") !== null) parts.push(`${(100 * get("place")).toFixed(1)} % deep`);
    if (get("needle_file")) parts.push(get("needle_file"));
    for (const name of ["page", "line"]) if (get("needle_" + name) !== null) parts.push(`${name} ${number(get("needle_" + name))}`);
    return parts.join(", ");
  }

  function surroundings([name, before, inside, behind]) {
    const value = make("dd", undefined, "around"), block = make("pre");
    block.dir = "auto";
    block.tabIndex = 0;
    block.append(before, make("mark", inside, name === "the needle" ? "" : "picked"), behind);
    value.append(block);
    return value;
  }

  const turn = step => { page += step; show(); byId("samples").scrollIntoView(); };
  byId("before").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  addEventListener("hashchange", () => { if (table && readAddress()) { filter(); byId("samples").scrollIntoView(); } });

  if (typeof DecompressionStream === "undefined") {
    state.textContent = "This browser cannot unpack the samples (it lacks DecompressionStream). They stand in records.jsonl.";
    return;
  }
  state.textContent = "Unpacking the samples …";
  unpack().then(content => {
    table = content;
    controls();
    const asked = readAddress();
    filter();
    if (asked) byId("samples").scrollIntoView();
  }).catch(error => { state.textContent = "The samples cannot be shown: " + error.message; });
})();

'use strict';
// Draws the diagrams from the document in the page. Everything else is HTML already.
(() => {
  const doc = JSON.parse(document.getElementById('document').textContent);
  const tip = document.getElementById('tip');
  document.documentElement.classList.add('js');

  const percent = (v) => (100 * v).toFixed(1) + '\u00a0%';
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);

  // svg makes an SVG element, html an HTML one.
  function make(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    for (const child of children || []) element.append(child);
    return element;
  }
  const svg = (name, attributes, ...children) => make(document.createElementNS('http://www.w3.org/2000/svg', name), attributes, children);
  const html = (name, attributes, ...children) => make(document.createElement(name), attributes, children);
  const colour = (i) => `var(--c${i % 8})`;

  // Round values from at or below low to at or above high, about count of them.
  function ticks(low, high, count) {
    const span = Math.max(high - low, 1e-9) / count;
    const unit = 10 ** Math.floor(Math.log10(span));
    const step = unit * [1, 2, 5, 10].find((m) => m * unit >= span * 0.999);
    const all = [];
    for (let i = Math.floor(low / step + 1e-9); ; i++) {
      all.push(i * step);
      if (i * step >= high - 1e-9) return all;
    }
  }

  function epochTicks(first, last, room) {
    const every = Math.max(1, Math.ceil(34 * (last - first + 1) / room));
    const step = every === 1 ? 1 : [2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000].find((s) => s >= every) || every;
    const all = [];
    for (let e = Math.ceil(first / step) * step; e <= last; e += step) all.push(e);
    return all;
  }

  // The tip stays inside the window, beside the place that it tells of.
  function showTip(content, x, y) {
    tip.replaceChildren(content);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 16 + box.width > innerWidth - 8 ? x - 16 - box.width : x + 16;
    tip.style.transform = `translate(${clamp(left, 8, Math.max(8, innerWidth - box.width - 8))}px, ${clamp(y - box.height / 2, 8, Math.max(8, innerHeight - box.height - 8))}px)`;
  }
  const hideTip = () => { tip.hidden = true; };
  addEventListener('scroll', hideTip, { passive: true });
  addEventListener('keydown', (event) => { if (event.key === 'Escape') hideTip(); });

  // redraw calls draw(width) now and whenever the width of the element changes.
  function redraw(element, draw) {
    let drawn = 0;
    const observer = new ResizeObserver(() => {
      const width = Math.floor(element.clientWidth);
      if (width > 0 && width !== drawn) {
        drawn = width;
        draw(width);
      }
    });
    observer.observe(element);
  }

  function legend(entries) {
    return html('ul', { class: 'legend' }, ...entries.map((entry) => html('li', {},
      svg('svg', { width: 22, height: 12, 'aria-hidden': true }, ...entry.mark), entry.name)));
  }
  const line = (i, style) => [svg('line', { class: 'curve ' + style, x1: 1, x2: 21, y1: 6, y2: 6, stroke: colour(i) })];

  const plain = (style) => [svg('line', { class: 'curve ' + style, x1: 1, x2: 21, y1: 6, y2: 6, stroke: 'var(--soft)' })];

  // range is that of what lines {y, low, high} and references show.
  function range(lines, references) {
    const values = lines.flatMap((l) => [...l.y, ...(l.low || []), ...(l.high || [])]).concat(references.map((r) => r.value));
    return [Math.min(...values), Math.max(...values)];
  }

  // diagrams draws a diagram for each panel, all on one scale, so that they compare.
  function diagrams(parent, linesOf, referencesOf, isShare) {
    const all = doc.panels.map((panel) => [panel, linesOf(panel), referencesOf(panel)]);
    const ranges = all.map(([, lines, references]) => range(lines, references));
    const scale = [Math.min(...ranges.map((r) => r[0])), Math.max(...ranges.map((r) => r[1]))];
    for (const [panel, lines, references] of all) diagram(parent, panel, lines, references, isShare, scale);
  }

  // diagram draws curves over epochs. Its lines are {name, colour, style, x, y, low, high}.
  function diagram(parent, panel, lines, references, isShare, [lowest, highest]) {
    const figure = html('figure', { class: 'panel' }, html('figcaption', {}, panel.network));
    figure.append(legend([
      ...lines.filter((l) => l.listed).map((l) => ({ name: l.listed, mark: line(l.colour, '') })),
      ...references.map((r) => ({ name: `${r.name} ${percent(r.value)}`, mark: line(r.colour, 'limit') })),
      ...(isShare ? [] : [{ name: 'val', mark: plain('') }, { name: 'train', mark: plain('dashed') }])]));
    const holder = html('div');
    figure.append(holder);
    parent.append(figure);
    const epochs = [...new Set(lines.flatMap((l) => l.x))].sort((a, b) => a - b);
    let at = -1; // index into epochs of the cursor

    redraw(holder, (width) => {
      const height = clamp(Math.round(width * 0.5), 210, 340);
      const left = 46, right = 10, top = 8, bottom = 38;
      const marks = isShare ? ticks(Math.min(lowest, 0.9), 1, 5) : ticks(0, highest, 5);
      const low = marks[0], high = marks[marks.length - 1];
      const first = epochs[0], last = epochs[epochs.length - 1];
      const x = (e) => left + (last === first ? 0.5 : (e - first) / (last - first)) * (width - left - right - 12) + 6;
      const y = (v) => top + (high - v) / (high - low) * (height - top - bottom);
      const chart = svg('svg', { class: 'chart', width, height, viewBox: `0 0 ${width} ${height}`, tabindex: 0, role: 'img',
        'aria-label': `${panel.network}: ${lines.map((l) => `${l.name}, last ${isShare ? percent(l.y[l.y.length - 1]) : l.y[l.y.length - 1].toFixed(3)}`).join('; ')}. Arrow keys read the values.` });
      const decimals = Math.max(0, Math.ceil(-Math.log10(marks[1] - marks[0]) - 1e-9));
      for (const v of marks) {
        chart.append(svg('line', { class: 'grid', x1: left, x2: width - right, y1: y(v), y2: y(v) }),
          svg('text', { class: 'tick', x: left - 8, y: y(v) + 4, 'text-anchor': 'end' }, isShare ? Math.round(100 * v) + ' %' : v.toFixed(decimals)));
      }
      for (const e of epochTicks(first, last, width - left - right)) {
        chart.append(svg('text', { class: 'tick', x: x(e), y: height - bottom + 18, 'text-anchor': 'middle' }, String(e)));
      }
      chart.append(svg('text', { class: 'tick', x: (left + width - right) / 2, y: height - 3, 'text-anchor': 'middle' }, panel.step));
      for (const r of references) {
        chart.append(svg('line', { class: 'limit', x1: left, x2: width - right, y1: y(r.value), y2: y(r.value), stroke: colour(r.colour) }));
      }
      for (const l of lines) {
        if (!l.low) continue;
        const edge = l.x.map((e, i) => `${x(e)},${y(l.high[i])}`).concat(l.x.map((e, i) => `${x(e)},${y(l.low[i])}`).reverse());
        chart.append(svg('polygon', { class: 'band', points: edge.join(' '), fill: colour(l.colour) }));
      }
      for (const l of lines) {
        chart.append(svg('polyline', { class: 'curve ' + l.style, points: l.x.map((e, i) => `${x(e)},${y(l.y[i])}`).join(' '), stroke: colour(l.colour) }));
        if (l.x.length <= 25 && l.style === '') {
          for (let i = 0; i < l.x.length; i++) chart.append(svg('circle', { class: 'dot', cx: x(l.x[i]), cy: y(l.y[i]), r: 3, fill: colour(l.colour) }));
        }
      }
      const cursor = svg('line', { class: 'cursor', y1: top, y2: height - bottom, visibility: 'hidden' });
      chart.append(cursor);

      const read = (index) => {
        at = clamp(index, 0, epochs.length - 1);
        const e = epochs[at], box = chart.getBoundingClientRect();
        for (const name of ['x1', 'x2']) cursor.setAttribute(name, x(e));
        cursor.setAttribute('visibility', 'visible');
        const rows = lines.filter((l) => l.x.includes(e)).map((l) => {
          const i = l.x.indexOf(e), value = isShare ? percent(l.y[i]) : l.y[i].toFixed(4);
          const range = l.low ? ` (${(100 * l.low[i]).toFixed(1)}–${(100 * l.high[i]).toFixed(1)})` : '';
          return html('tr', {}, html('td', {}, html('i', { class: 'swatch', style: `background:${colour(l.colour)}` }), l.name), html('td', {}, value + range));
        });
        showTip(html('div', {}, `${panel.step} ${e}`, html('table', {}, ...rows)), box.left + x(e), box.top + top + (height - top - bottom) / 2);
      };
      const leave = () => { at = -1; cursor.setAttribute('visibility', 'hidden'); hideTip(); };
      const point = (event) => {
        const px = event.clientX - chart.getBoundingClientRect().left;
        let nearest = 0;
        epochs.forEach((e, i) => { if (Math.abs(x(e) - px) < Math.abs(x(epochs[nearest]) - px)) nearest = i; });
        read(nearest);
      };
      chart.addEventListener('pointermove', point);
      chart.addEventListener('pointerdown', point);
      chart.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') leave(); });
      chart.addEventListener('blur', leave);
      chart.addEventListener('keydown', (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
        if (step) {
          event.preventDefault();
          read(at < 0 ? (step > 0 && step < 2 ? 0 : epochs.length - 1) : at + step);
        }
      });
      holder.replaceChildren(chart);
    });
  }

  for (const parent of document.querySelectorAll('[data-chart=accuracy]')) {
    diagrams(parent, (panel) => panel.series.map((s) => ({ name: s.name, listed: s.runs > 1 ? `${s.name}, ${s.runs} runs` : s.name,
      colour: s.colour, style: '', x: s.epochs, y: s.accuracy, low: s.low, high: s.high })), (panel) => panel.references, true);
  }
  for (const parent of document.querySelectorAll('[data-chart=loss]')) {
    diagrams(parent, (panel) => panel.series.flatMap((s) => [
      { name: `${s.name}: val`, listed: s.name, colour: s.colour, style: '', x: s.epochs, y: s.valLoss },
      { name: `${s.name}: train`, colour: s.colour, style: 'dashed', x: s.epochs, y: s.trainLoss }]), () => [], false);
  }

  // Shapes tell classes apart where colours repeat.
  const shapes = [
    (x, y, r) => `M${x - r},${y}a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
    (x, y, r) => `M${x - r},${y - r}h${2 * r}v${2 * r}h${-2 * r}Z`,
    (x, y, r) => `M${x},${y - 1.2 * r}l${1.2 * r},${2.1 * r}h${-2.4 * r}Z`,
    (x, y, r) => `M${x},${y - 1.35 * r}l${1.35 * r},${1.35 * r}l${-1.35 * r},${1.35 * r}l${-1.35 * r},${-1.35 * r}Z`,
  ];
  const shape = (label) => shapes[Math.floor(label / 8) % shapes.length];
  const listed = 24; // classes in the legend of a map

  function drawMap(parent, run) {
    const m = run.map;
    const present = [...new Set(m.label)].sort((a, b) => a - b);
    const entries = present.slice(0, listed).map((label) => ({ name: run.classes[label], mark: [svg('path', { d: shape(label)(11, 6, 4.5), fill: colour(label) })] }));
    if (present.length > listed) entries.push({ name: `and ${present.length - listed} more`, mark: [] });
    if (m.label.some((label, i) => label !== m.class[i])) entries.push({ name: 'mistake', mark: [svg('circle', { class: 'mistake', cx: 11, cy: 6, r: 5 })] });
    const holder = html('div');
    parent.append(legend(entries), holder);
    const order = m.x.map((_, i) => i).sort((a, b) => m.x[a] - m.x[b]);
    let at = -1; // index into order
    redraw(holder, (width) => {
      const height = clamp(Math.round(width * 0.66), 280, 560), margin = 16;
      const bounds = (v) => [Math.min(...v), Math.max(...v)];
      const [x0, x1] = bounds(m.x), [y0, y1] = bounds(m.y);
      const scale = Math.min((width - 2 * margin) / Math.max(x1 - x0, 1), (height - 2 * margin) / Math.max(y1 - y0, 1));
      const x = (i) => width / 2 + (m.x[i] - (x0 + x1) / 2) * scale;
      const tall = clamp((y1 - y0) * scale + 2 * margin, 160, height);
      const y = (i) => tall / 2 - (m.y[i] - (y0 + y1) / 2) * scale;
      const chart = svg('svg', { class: 'chart', width, height: tall, viewBox: `0 0 ${width} ${tall}`, tabindex: 0, role: 'img',
        'aria-label': `Map of ${m.x.length} photos by what the network sees in them. Arrow keys go from photo to photo.` },
        svg('rect', { x: 0, y: 0, width, height: tall, rx: 6, fill: 'var(--wash)' }));
      const size = m.x.length > 300 ? 3.5 : 4.5;
      for (const i of m.x.keys()) {
        chart.append(svg('path', { class: 'point', d: shape(m.label[i])(x(i), y(i), size), fill: colour(m.label[i]), 'fill-opacity': 0.82 }));
      }
      for (const i of m.x.keys()) {
        if (m.label[i] !== m.class[i]) chart.append(svg('circle', { class: 'mistake', cx: x(i), cy: y(i), r: size + 3 }));
      }
      const ring = svg('circle', { class: 'chosen', r: size + 4, visibility: 'hidden' });
      chart.append(ring);
      const read = (i) => {
        const photo = doc.photos[m.photo[i]], box = chart.getBoundingClientRect();
        ring.setAttribute('cx', x(i));
        ring.setAttribute('cy', y(i));
        ring.setAttribute('visibility', 'visible');
        at = order.indexOf(i);
        const content = html('div');
        if (photo.thumbnail) content.append(html('div', { class: `photo p${m.photo[i]}` }));
        const truth = run.classes[m.label[i]], said = run.classes[m.class[i]];
        content.append(html('b', {}, said), ` ${percent(m.probability[i])}`, html('br'),
          truth === said ? 'right' : `wrong: is ${truth}`, html('br'), html('small', { class: 'path' }, photo.name));
        showTip(content, box.left + x(i), box.top + y(i));
      };
      const leave = () => { ring.setAttribute('visibility', 'hidden'); hideTip(); };
      const point = (event) => {
        const box = chart.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
        let nearest = -1, distance = event.pointerType === 'touch' ? 34 : 18;
        for (const i of m.x.keys()) {
          const d = Math.hypot(x(i) - px, y(i) - py);
          if (d < distance) [nearest, distance] = [i, d];
        }
        if (nearest < 0) leave(); else read(nearest);
      };
      chart.addEventListener('pointermove', point);
      chart.addEventListener('pointerdown', point);
      chart.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') leave(); });
      chart.addEventListener('blur', () => { at = -1; leave(); });
      chart.addEventListener('keydown', (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 }[event.key];
        if (step) {
          event.preventDefault();
          read(order[clamp(at < 0 ? 0 : at + step, 0, order.length - 1)]);
        }
      });
      holder.replaceChildren(chart);
    });
  }
  for (const parent of document.querySelectorAll('[data-map]')) drawMap(parent, doc.runs[parent.dataset.map]);

  // One run at a time. A hidden map has no width and is drawn when it is shown.
  const choice = document.getElementById('run');
  if (choice) {
    const show = () => {
      document.querySelectorAll('.run').forEach((run) => { run.hidden = run.id !== `run-${choice.value}`; });
      hideTip();
    };
    choice.addEventListener('change', show);
    show();
  }
})();

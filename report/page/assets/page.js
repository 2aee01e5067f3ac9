'use strict';
// Shows what the charts hold where the reader points, and one run at a time. The charts are drawn already.
(() => {
  const doc = JSON.parse(document.getElementById('document').textContent);
  const tip = document.getElementById('tip');
  document.documentElement.classList.add('js');

  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  const percent = (v) => (100 * v).toFixed(1) + '\u00a0%';

  function html(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // The tip stays inside the window, beside the place that it tells of.
  function showTip(content, x, y) {
    tip.replaceChildren(content);
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const inside = (v, size, room) => clamp(v, 8, Math.max(8, room - size - 8));
    const left = inside(x + 16 + box.width > innerWidth - 8 ? x - 16 - box.width : x + 16, box.width, innerWidth);
    tip.style.transform = `translate(${left}px, ${inside(y - box.height / 2, box.height, innerHeight)}px)`;
  }
  const hideTip = () => { tip.hidden = true; };
  addEventListener('scroll', hideTip, { passive: true });
  addEventListener('keydown', (event) => { if (event.key === 'Escape') hideTip(); });

  // A chart's places are in the units of its viewBox.
  function scaleOf(chart) {
    const box = chart.getBoundingClientRect();
    return { box, scale: box.width / chart.viewBox.baseVal.width };
  }

  // answer makes a chart say what it holds. It has count items to step through by key; nearest(x, y,
  // reach) is the one beside a place or -1, content(item) what is said of it, place(item) where it is
  // said, mark the element that shows it and move(item) what puts it there.
  function answer(chart, { count, steps, nearest, content, place, mark, move }) {
    let at = -1;
    const read = (item) => {
      at = item;
      const { box, scale } = scaleOf(chart), [x, y] = place(item);
      move(item);
      mark.setAttribute('visibility', 'visible');
      showTip(content(item), box.left + x * scale, box.top + y * scale);
    };
    const leave = () => { mark.setAttribute('visibility', 'hidden'); hideTip(); };
    const point = (event) => {
      const { box, scale } = scaleOf(chart);
      const reach = event.pointerType === 'touch' ? 34 : 18; // pixels
      const item = nearest((event.clientX - box.left) / scale, (event.clientY - box.top) / scale, reach / scale);
      if (item < 0) leave(); else read(item);
    };
    chart.addEventListener('pointermove', point);
    chart.addEventListener('pointerdown', point);
    chart.addEventListener('pointerleave', (event) => { if (event.pointerType !== 'touch') leave(); });
    chart.addEventListener('blur', () => { at = -1; leave(); });
    chart.addEventListener('keydown', (event) => {
      const step = steps[event.key];
      if (step) {
        event.preventDefault();
        read(at < 0 ? (step === 1 ? 0 : count - 1) : clamp(at + step, 0, count - 1));
      }
    });
  }

  function plot(chart, { step, epochs, x, lines }) {
    const mark = chart.querySelector('.cursor');
    answer(chart, {
      count: epochs.length, mark, steps: { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 },
      nearest: (px) => x.reduce((best, v, i) => (Math.abs(v - px) < Math.abs(x[best] - px) ? i : best), 0),
      place: (i) => [x[i], chart.viewBox.baseVal.height / 2],
      move: (i) => { for (const end of ['x1', 'x2']) mark.setAttribute(end, x[i]); },
      content: (i) => {
        const rows = lines.filter((l) => l.values[i]).map((l) => {
          const swatch = html('i', { class: 'swatch', style: `background:var(--c${l.colour})` });
          return html('tr', {}, html('td', {}, swatch, l.name), html('td', {}, l.values[i]));
        });
        return html('div', {}, `${step} ${epochs[i]}`, html('table', {}, ...rows));
      },
    });
  }

  function map(chart, { classes, photo, x, y, label, class: said, probability }) {
    const mark = chart.querySelector('.chosen');
    const order = x.map((_, i) => i).sort((a, b) => x[a] - x[b]); // from left to right
    answer(chart, {
      count: order.length, mark, steps: { ArrowLeft: -1, ArrowRight: 1, ArrowUp: 1, ArrowDown: -1 },
      nearest: (px, py, reach) => {
        let best = -1, distance = reach;
        order.forEach((i, k) => {
          const d = Math.hypot(x[i] - px, y[i] - py);
          if (d < distance) [best, distance] = [k, d];
        });
        return best;
      },
      place: (k) => [x[order[k]], y[order[k]]],
      move: (k) => { mark.setAttribute('cx', x[order[k]]); mark.setAttribute('cy', y[order[k]]); },
      content: (k) => {
        const i = order[k], of = doc.photos[photo[i]], content = html('div', {});
        if (of.thumbnail) content.append(html('div', { class: `photo p${photo[i]}` }));
        content.append(html('b', {}, classes[said[i]]), ` ${percent(probability[i])}`, html('br', {}),
          label[i] === said[i] ? 'right' : `wrong: is ${classes[label[i]]}`, html('br', {}),
          html('small', { class: 'path' }, of.name));
        return content;
      },
    });
  }

  for (const chart of document.querySelectorAll('svg.chart')) {
    const of = doc.tips[chart.dataset.tip];
    if (of.epochs) plot(chart, of); else map(chart, of);
  }

  // One run at a time.
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

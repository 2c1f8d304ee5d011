// What is live. Every page works without it.

// Choose all rows of a table.
for (const all of document.querySelectorAll('input[data-all]')) {
  all.addEventListener('change', () => {
    for (const one of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) one.checked = all.checked;
  });
}

// Lead from a problem to its line.
for (const link of document.querySelectorAll('a[data-line]')) {
  link.addEventListener('click', (event) => {
    const text = document.getElementById('text');
    if (!text) return;
    event.preventDefault();
    const lines = text.value.split('\n');
    const line = Number(link.dataset.line);
    const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    text.focus();
    text.setSelectionRange(from, from + (lines[line - 1] || '').length);
    text.scrollTop = (text.scrollHeight / lines.length) * Math.max(0, line - 5);
  });
}

// The live feed: rows are made from text only, never from markup.
const feed = document.getElementById('feed');
if (feed) {
  const state = document.getElementById('live-state');
  const source = new EventSource(feed.dataset.live);
  const add = (row, name, text, wrap) => {
    const cell = document.createElement(wrap || 'span');
    if (name) cell.className = name;
    cell.textContent = text;
    row.append(cell);
    return cell;
  };
  source.addEventListener('open', () => { state.textContent = feed.dataset.on; state.dataset.live = 'on'; });
  source.addEventListener('error', () => { state.textContent = feed.dataset.off; state.dataset.live = 'off'; });
  source.addEventListener('missed', (event) => { state.textContent = `${feed.dataset.missed} ${event.data}`; });
  source.addEventListener('message', (event) => {
    const told = JSON.parse(event.data);
    const row = document.createElement('li');
    add(row, `dot fate-${told.fate}`, '');
    add(row, 'quiet', told.at.slice(11, 19));
    if (told.level) add(row, `badge level-${told.level}`, told.score === null ? '' : told.score.toFixed(1));
    const link = add(row, 'subject', told.subject || '–', 'a');
    link.href = `/messages/${encodeURIComponent(told.id)}`;
    add(row, 'quiet', `${told.from || '<>'} → ${told.to[0] || ''}`);
    feed.prepend(row);
    while (feed.children.length > 30) feed.lastChild.remove();
    const count = document.querySelector(`[data-fate="${told.fate}"]`);
    if (count) {
      count.dataset.count = Number(count.dataset.count) + 1;
      count.textContent = Number(count.dataset.count).toLocaleString('fr-FR');
    }
  });
}

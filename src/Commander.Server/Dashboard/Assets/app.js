// Fresh pages, keys, copy, local times as tips, a crosshair. Without it every page and form still works.
(() => {
  'use strict';
  const $ = (s, r = document) => r.querySelector(s);
  const $$ = (s, r = document) => [...r.querySelectorAll(s)];
  const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

  // What the server cannot know: the reader's time zone, and that there is a script.
  const prepare = root => {
    for (const t of $$('time', root)) {
      const at = new Date(t.dateTime);
      if (isNaN(at)) continue;
      t.title = local.format(at);
    }
    for (const b of $$('[data-copy]', root)) b.hidden = !navigator.clipboard;
    return root;
  };

  // Somebody types or has typed here: it stays until it is sent.
  const dirty = n => n.nodeType === 1 && (n.matches('form') ? [n] : $$('form', n)).some(f =>
    $$('input:not([type=hidden])', f).some(i => i === document.activeElement || i.value !== i.defaultValue));

  // Makes a like b with few changes: focused, open, selected, scrolled stay so.
  const morph = (a, b) => {
    if (a.isEqualNode(b)) return;
    if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName || a.id !== b.id) {
      if (!dirty(a)) a.replaceWith(b);
      return;
    }
    if (a.nodeType !== 1) {
      a.nodeValue = b.nodeValue;
      return;
    }
    if (a.nodeName === 'FORM' && dirty(a)) return;
    for (const { name } of [...a.attributes]) if (!b.hasAttribute(name) && name !== 'open') a.removeAttribute(name);
    for (const { name, value } of b.attributes) if (a.getAttribute(name) !== value) a.setAttribute(name, value);
    let at = a.firstChild;
    for (const next of [...b.childNodes]) {
      const same = next.id && [...a.children].find(c => c.id === next.id);
      if (same && same !== at) a.insertBefore(same, at);
      else if (!at || (next.id && !same) || (at.id && at.id !== next.id)) {
        a.insertBefore(next, at);
        continue;
      }
      const old = same || at;
      at = old.nextSibling;
      morph(old, next);
    }
    while (at) {
      const rest = at.nextSibling;
      if (!dirty(at)) at.remove();
      at = rest;
    }
  };

  // What is shown is old: who looks must know it, and must not act on it.
  let since = 0;
  const stale = words => {
    const bar = $('#stale');
    bar.hidden = !words;
    if (words && bar.textContent !== words) bar.textContent = words;
    document.body.classList.toggle('old', !!words);
    for (const b of $$('#main button')) if (b.form) b.disabled = !!words;
  };
  const get = async url => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(5000), headers: { accept: 'text/html' }, redirect: 'manual' });
    if (answer.type === 'opaqueredirect' || answer.status === 401) {
      stale('Your sign-in has ended; what you see is old. Reload the page to sign in.');
      throw new Error(401);
    }
    if (!answer.ok) throw new Error(answer.status);
    since = 0;
    stale('');
    return prepare(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  };

  const live = $('#live');
  let said = live && live.dataset.said;
  const show = next => {
    document.title = next.dataset.title;
    const icon = $('#icon');
    if (next.dataset.icon && icon.getAttribute('href') !== next.dataset.icon) icon.setAttribute('href', next.dataset.icon);
    if (next.dataset.said && next.dataset.said !== said) $('#said').textContent = said = next.dataset.said;
    if (!live.dataset.list) return morph(live, next);
    // New rows wait behind a bar, so that nothing moves under the pointer.
    let fresh = 0;
    for (const row of $$('.row', next)) {
      const old = document.getElementById(row.id);
      if (old) morph(old, row);
      else if (!$('.row') || row.id > $('.row').id) fresh++;
    }
    if (fresh) {
      const bar = $('#new');
      bar.textContent = fresh + (fresh === 1 ? ' new deployment' : ' new deployments') + ': show';
      bar.href = location.href;
      bar.hidden = false;
    }
  };

  let last = 0, timer = 0, busy = false, again = false;
  const refresh = async () => {
    timer = 0;
    if (busy) return void (again = true);
    busy = true;
    last = performance.now();
    try {
      const next = $('#live', await get(live.dataset.fragment));
      if (next) show(next);
      draw();
    } catch (e) {
      // The next event or the poll tries again; one lost answer is no news.
      since = since || Date.now();
      if (e.message !== '401' && Date.now() - since > 7000) stale('No answer since ' + new Date(since).toISOString().slice(11, 19) + ' UTC; what you see is old. Trying again.');
    }
    busy = false;
    if (again) {
      again = false;
      want(500);
    }
  };
  const want = gap => {
    const wait = Math.max(0, last + gap - performance.now());
    if (!timer) timer = setTimeout(refresh, wait);
  };

  if (live) {
    let source, poll = 0;
    const list = live.dataset.list;
    const fallBack = on => {
      if (on && !poll) poll = setInterval(() => want(500), 5000);
      if (on) document.body.dataset.live = 'poll';
      if (!on) poll = clearInterval(poll) || 0;
    };
    const listen = () => {
      if (source) source.close();
      source = new EventSource(live.dataset.stream);
      // Subscribed: whatever happened before is in what is fetched now.
      source.addEventListener('alive', () => {
        document.body.dataset.live = 'on';
        if (poll || last === 0) want(500);
        fallBack(false);
      });
      for (const kind of ['received', 'state', 'verdict', 'action', 'outcome', 'closed']) source.addEventListener(kind, () => want(list ? 1000 : 500));
      source.addEventListener('tick', () => want(1000));
      source.onerror = () => {
        fallBack(true);
        // Refused, not interrupted: the browser does not try again by itself.
        if (source.readyState === 2) setTimeout(() => document.hidden || listen(), 15000);
      };
    };
    // A hidden page holds none of the browser's few connections.
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) {
        source.close();
        fallBack(true);
      } else {
        listen();
        want(500);
      }
    });
    addEventListener('pageshow', e => e.persisted && listen());
    listen();
  }

  const shop = $('[data-poll]');
  if (shop) setInterval(async () => {
    if (document.hidden) return;
    try {
      const next = $('#shop', await get(shop.dataset.poll));
      if (next) morph(shop, next);
    } catch { /* next time */ }
  }, 2000);

  // The crosshair: the same moment in every chart of the page, its values in words.
  let cross = null;
  const draw = () => {
    if (cross === null) return;
    for (const figure of $$('.m')) {
      const { from, to } = figure.dataset;
      const at = +from + (cross - 42) / 336 * (to - from);
      for (const line of $$('.x', figure)) {
        line.classList.add('on');
        for (const [k, v] of [['x1', cross], ['x2', cross], ['y1', 20], ['y2', 136]]) line.setAttribute(k, v);
      }
      let best = null;
      for (const row of $$('tr', figure).slice(1)) if (!best || Math.abs(row.cells[0].textContent - at) < Math.abs(best.cells[0].textContent - at)) best = row;
      if (!best) continue;
      const out = $('.o', figure) || $('.pair', figure).appendChild(Object.assign(document.createElement('p'), { className: 'o', ariaHidden: 'true' }));
      const [seconds, ours, theirs] = [...best.cells].map(c => c.textContent);
      out.textContent = `at ${seconds} s: new ${ours || '–'}, old ${theirs || '–'}`;
    }
  };
  document.addEventListener('pointermove', e => {
    const svg = e.target.closest && e.target.closest('.m svg');
    if (svg) {
      const box = svg.getBoundingClientRect();
      cross = Math.min(378, Math.max(42, (e.clientX - box.left) * 440 / box.width));
      draw();
    } else if (cross !== null) {
      cross = null;
      for (const x of $$('.m .x.on')) x.classList.remove('on');
    }
  }, { passive: true });

  const copy = async (text, words) => {
    try {
      await navigator.clipboard.writeText(text);
      $('#said').textContent = words;
    } catch { /* not allowed here: the text can still be marked by hand */ }
  };
  document.addEventListener('click', e => {
    const button = e.target.closest('[data-copy]');
    if (button) copy(document.getElementById(button.dataset.copy).textContent, 'Copied');
  });

  document.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input,textarea,select')) return;
    const follow = s => $(s) && (location.href = $(s).href);
    const rows = $$('.row .what a');
    const row = step => rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(document.activeElement) + step))]?.focus();
    const key = {
      j: () => row(1),
      k: () => row(rows.includes(document.activeElement) ? -1 : 1),
      '[': () => follow('a[rel=prev]'),
      ']': () => follow('nav.more a[rel=next]'),
      '/': () => $('#q')?.focus(),
      '?': () => follow('.bar nav a:last-child'),
      y: () => copy(location.href.split('#')[0], 'Link copied'),
    }[e.key];
    if (!key) return;
    e.preventDefault();
    key();
  });

  prepare(document);
})();

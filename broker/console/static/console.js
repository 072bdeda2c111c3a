/* What the pages of the console do beyond what htmx does. Everything else works without it. */
(() => {
  const root = document.documentElement;
  const AWAY_AFTER_MS = 2_000;
  const THEMES = ['system', 'light', 'dark'];
  const stored = () => {
    try {
      return localStorage.getItem('escrowmq-theme');
    } catch {
      return null;
    }
  };
  // Before the first paint. What only scripts can do is shown to those who have them.
  root.dataset.scripted = '';
  root.dataset.theme = THEMES.includes(stored()) ? stored() : 'system';

  const prepareThemeSwitch = () => {
    const button = document.querySelector('[data-theme-switch]');
    const name = document.querySelector('[data-theme-name]');
    if (!button || !name) return;
    button.hidden = false;
    name.textContent = root.dataset.theme;
    button.addEventListener('click', () => {
      const next = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
      root.dataset.theme = next;
      name.textContent = next;
      try {
        localStorage.setItem('escrowmq-theme', next);
      } catch {
        // The choice lasts as long as the page.
      }
    });
  };

  const isTyping = target =>
    target instanceof Element && target.closest('input, textarea, select, [contenteditable]') !== null;

  const onKey = event => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
      const search = document.getElementById('search');
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key !== 'Escape') return;
    const open = [...document.querySelectorAll('details.act-form[open]')].at(-1);
    if (open) {
      open.open = false;
      open.querySelector('summary').focus();
    } else if (document.activeElement?.id === 'search') document.activeElement.blur();
  };

  /** Whoever opens a form wants to write in it. */
  const onToggle = event => {
    const { target } = event;
    if (target.open && target.matches?.('details.act-form'))
      target.querySelector('select, textarea, input:not([type=hidden])')?.focus();
  };

  const stopSearch = button => {
    const tail = button.closest('.tail');
    const still = tail.cloneNode(true);
    for (const name of ['hx-get', 'hx-trigger', 'hx-swap']) still.removeAttribute(name);
    for (const gone of still.querySelectorAll('[data-stop-search], progress')) gone.remove();
    window.htmx?.trigger(tail, 'htmx:abort');
    tail.replaceWith(still);
    still.querySelector('a')?.focus();
  };

  const copy = async button => {
    try {
      await navigator.clipboard.writeText(button.dataset.text);
      button.textContent = 'Copied';
    } catch {
      button.textContent = 'Not copied';
    }
    setTimeout(() => {
      button.textContent = 'Copy';
    }, 2000);
  };

  const addCopyButtons = () => {
    if (!navigator.clipboard) return;
    for (const place of document.querySelectorAll('[data-copy]')) {
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'plain copy';
      button.textContent = 'Copy';
      button.dataset.text = place.textContent;
      place.after(' ', button);
    }
  };

  const showScripted = within => {
    for (const box of within.querySelectorAll?.('[data-choose-all]') ?? []) box.closest('label').hidden = false;
  };

  const onClick = event => {
    const button = event.target.closest?.('button');
    if (!button) return;
    if (button.matches('[data-stop-search]')) stopSearch(button);
    if (button.matches('.copy')) void copy(button);
  };

  const onChange = event => {
    if (!event.target.matches?.('[data-choose-all]')) return;
    for (const box of event.target.form.querySelectorAll('input[name^=id]')) box.checked = event.target.checked;
  };

  /** A place of the drawing that has something in it looks different from one that has not. */
  const onLive = event => {
    const place = event.target.closest?.('.station');
    if (!place || !event.target.classList.contains('count')) return;
    const isEmpty = event.target.textContent.trim() === '0';
    place.classList.toggle('empty', isEmpty);
    place.classList.toggle('waits', !isEmpty);
  };

  /** A stream that was ended to begin anew is not worth a word: only what stays away is. */
  let awayTimer = null;
  const onAway = () => {
    awayTimer ??= setTimeout(() => {
      for (const notice of document.querySelectorAll('[data-away]')) notice.hidden = false;
    }, AWAY_AFTER_MS);
  };
  const onBack = () => {
    clearTimeout(awayTimer);
    awayTimer = null;
    for (const notice of document.querySelectorAll('[data-away]')) notice.hidden = true;
  };

  for (const name of ['htmx:sseError', 'htmx:sendError']) document.addEventListener(name, onAway);
  for (const name of ['htmx:sseOpen', 'htmx:afterOnLoad']) document.addEventListener(name, onBack);
  document.addEventListener('keydown', onKey);
  document.addEventListener('toggle', onToggle, true);
  document.addEventListener('click', onClick);
  document.addEventListener('change', onChange);
  document.addEventListener('htmx:sseMessage', onLive);
  document.addEventListener('htmx:load', event => showScripted(event.detail.elt));
  document.addEventListener('DOMContentLoaded', () => {
    prepareThemeSwitch();
    addCopyButtons();
    showScripted(document);
    // Where the pages stand in one line, the one that is open may be out of sight.
    const places = document.querySelector('.places');
    const here = places?.querySelector('[aria-current]');
    if (here && places.scrollWidth > places.clientWidth) places.scrollLeft = here.offsetLeft - places.clientWidth / 3;
  });
})();

// Keys of the Request Logs page. Single characters can be switched off (WCAG 2.1.4).
import { activeId, liveWanted, open, openId, refresh, rows, setLive, shortcuts } from './state'
import { copyActive } from './curl'
import { closeDrawer } from './drawer'
import { moveActive } from './table'

export const KEYS: [string, string][] = [
  ['/', 'Search'],
  ['j', 'Next request'],
  ['k', 'Previous request'],
  ['Enter', 'Open the request'],
  ['Esc', 'Close'],
  ['c', 'Copy as curl'],
  ['l', 'Live on or off'],
  ['r', 'Refresh'],
  ['?', 'These keys'],
]

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))
}

function onButton(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('button, a, summary') !== null
}

function inGrid(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.getAttribute('role') === 'grid'
}

function pageOf(target: EventTarget | null): number {
  return target instanceof HTMLElement ? Math.max(1, Math.floor(target.clientHeight / 40)) : 10
}

const gridKeys: Record<string, (event: KeyboardEvent) => void> = {
  ArrowDown: () => moveActive(1),
  ArrowUp: () => moveActive(-1),
  PageDown: (event) => moveActive(pageOf(event.target)),
  PageUp: (event) => moveActive(-pageOf(event.target)),
  Home: () => moveActive(-Infinity),
  End: () => moveActive(Infinity),
}

const characters: Record<string, () => void> = {
  j: () => moveActive(1),
  k: () => moveActive(-1),
  l: () => setLive(!liveWanted.peek()),
  r: refresh,
  c: () => void copyActive(),
  '/': () => {
    const input = document.querySelector<HTMLInputElement>('#search')
    input?.focus()
    input?.select()
  },
}

export function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return
  if (typing(event.target) || document.querySelector('dialog[open], :popover-open') !== null) return
  let act: ((event: KeyboardEvent) => void) | undefined
  if (event.key === 'Escape' && openId.peek() !== '') act = closeDrawer
  else if (event.key === 'Enter' && !onButton(event.target) && rows.indexOf(activeId.peek()) >= 0)
    act = () => open(activeId.peek())
  else if (inGrid(event.target) && Object.hasOwn(gridKeys, event.key)) act = gridKeys[event.key]
  else if (shortcuts.peek() && Object.hasOwn(characters, event.key)) act = characters[event.key]
  if (!act) return
  event.preventDefault()
  act(event)
}

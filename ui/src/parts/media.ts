import { signal, type Signal } from '@preact/signals'

function media(query: string): Signal<boolean> {
  const list = window.matchMedia(query)
  const state = signal(list.matches)
  list.addEventListener('change', () => (state.value = list.matches))
  return state
}

export const narrow = media('(max-width: 760px)')
export const dark = media('(prefers-color-scheme: dark)')

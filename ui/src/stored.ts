// Preferences of this browser. Storage may be switched off: then they last as long as the page.
import { effect, signal, type Signal } from '@preact/signals'

export function stored<T>(name: string, fallback: T, valid: (value: unknown) => value is T): Signal<T> {
  const key = `warmpath.${name}`
  let initial = fallback
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? 'null')
    if (valid(value)) initial = value
  } catch {
    // keeps the fallback
  }
  const state = signal(initial)
  let first = true
  effect(() => {
    const text = JSON.stringify(state.value)
    if (!first)
      try {
        localStorage.setItem(key, text)
      } catch {
        // lasts as long as the page
      }
    first = false
  })
  return state
}

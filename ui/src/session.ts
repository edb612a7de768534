// Who is signed in, what the gateway says about itself, and the deployments that rows refer to.
import { computed, signal } from '@preact/signals'
import { api, ApiError, whenSignedOut, type Deployment, type Session } from './api'

export const session = signal<Session | null>(null)
export const unreachable = signal('')
export const deployments = signal<Deployment[]>([])

export const deploymentById = computed(() => new Map(deployments.value.map((entry) => [entry.model_id, entry])))

// Set when a session lapsed by itself, so that the sign-in page can say so.
export const lapsed = signal(false)

whenSignedOut(() => {
  if (session.value?.authenticated) lapsed.value = true
  if (session.value) session.value = { ...session.value, authenticated: false }
})

export async function loadSession(): Promise<void> {
  try {
    const before = session.peek()?.authenticated
    const answer = await api.session()
    if (before && !answer.authenticated && !leaving) lapsed.value = true
    if (answer.authenticated) lapsed.value = false
    session.value = answer
    unreachable.value = ''
  } catch (error) {
    unreachable.value = error instanceof ApiError ? error.message : String(error)
  }
}

// A sign-in link that does not fit leaves the visitor at the sign-in page, which says why.
export const linkProblem = signal('')

export async function begin(key: string): Promise<void> {
  await loadSession()
  if (key === '' || session.peek()?.authenticated !== false) return
  try {
    await api.signIn(key)
    await loadSession()
  } catch (error) {
    linkProblem.value = error instanceof ApiError ? error.message : String(error)
  }
}

export async function loadDeployments(): Promise<void> {
  deployments.value = await api.deployments()
}

let leaving = false
export async function signOut(): Promise<void> {
  leaving = true
  try {
    await api.signOut()
  } finally {
    deployments.value = []
    await loadSession()
    leaving = false
  }
}

// Twelve hues, told apart in both themes. Each id has its favourite; known deployments that would
// share one are spread, so that equal ids look equal and different ones differ.
const HUES = [35, 75, 125, 160, 190, 215, 240, 265, 290, 320, 350, 12]

function favourite(id: string): number {
  let hash = 2166136261
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 16777619)
  return (hash >>> 0) % HUES.length
}

const assigned = computed(() => {
  const taken = new Set<number>()
  const hues = new Map<string, number>()
  for (const id of [...deploymentById.value.keys()].sort()) {
    let slot = favourite(id)
    for (let i = 0; i < HUES.length && taken.has(slot); i++) slot = (slot + 5) % HUES.length
    taken.add(slot)
    hues.set(id, HUES[slot] ?? 0)
  }
  return hues
})

export function hueOf(modelId: string): number {
  return assigned.value.get(modelId) ?? HUES[favourite(modelId)] ?? 0
}

// "account-1 · us-west-2" where the configuration tells.
export function deploymentLabel(modelId: string): string {
  const entry = deploymentById.value.get(modelId)
  if (!entry) return ''
  return [entry.aws_profile_name || entry.provider, entry.region].filter(Boolean).join(' · ')
}

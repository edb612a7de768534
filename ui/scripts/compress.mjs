// Writes .br and .gz beside each compressible file of dist, so that the program embeds and serves
// them as they are, and holds the console to its size budget.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

export const BUDGET_BYTES = 120 * 1024
const COMPRESSIBLE = new Set(['.html', '.js', '.css', '.svg', '.json', '.txt', '.webmanifest'])
const dist = fileURLToPath(new URL('../dist', import.meta.url))

function files(dir) {
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name)
    return statSync(path).isDirectory() ? files(path) : [path]
  })
}

function compress(path) {
  const bytes = readFileSync(path)
  const brotli = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  })
  const gzip = gzipSync(bytes, { level: 9 })
  // A variant that saves nothing only costs the program space.
  if (brotli.length < bytes.length) writeFileSync(`${path}.br`, brotli)
  if (gzip.length < bytes.length) writeFileSync(`${path}.gz`, gzip)
  return [bytes.length, gzip.length, brotli.length]
}

const total = [0, 0, 0]
for (const path of files(dist).filter((name) => !/\.(br|gz)$/.test(name)).sort()) {
  const size = statSync(path).size
  const sizes = COMPRESSIBLE.has(extname(path)) ? compress(path) : [size, size, size]
  sizes.forEach((bytes, i) => (total[i] += bytes))
  console.log(`  ${relative(dist, path).padEnd(36)} ${sizes.map((n) => String(n).padStart(8)).join(' ')}`)
}
console.log(`  ${'plain, gzip, brotli'.padEnd(36)} ${total.map((n) => String(n).padStart(8)).join(' ')}`)
if (total[2] > BUDGET_BYTES) {
  console.error(`The console is ${total[2]} bytes with brotli; its budget is ${BUDGET_BYTES}.`)
  process.exit(1)
}

// Builds the widget into the folder that the server serves.
//
// Two files: the launcher, which every page loads, and the chat, which is loaded when a
// visitor opens it. The manifest says what they were built from, so that a test can tell
// a forgotten build without Node.
import {build, transform} from 'esbuild';
import {createHash} from 'node:crypto';
import {readdirSync, readFileSync, writeFileSync, copyFileSync} from 'node:fs';
import {gzipSync} from 'node:zlib';
import {join} from 'node:path';

const here = import.meta.dirname;
const out = join(here, '..', 'calla', 'channels', 'static');
/** Style sheets become strings without blanks and comments. */
const styles = {
  name: 'styles',
  setup({onLoad}) {
    onLoad({filter: /\.css$/}, async ({path}) => {
      const {code} = await transform(readFileSync(path, 'utf8'), {loader: 'css', minify: true});
      return {contents: code.trim(), loader: 'text'};
    });
  },
};
const shared = {plugins: [styles], bundle: true, minify: true, format: 'iife', target: 'es2020', charset: 'utf8', legalComments: 'none'};
const banner =
  '/*! Calla chat widget. Contains socket.io-client (MIT). */';

/** Hash over everything that the bundles are made from. */
function fingerprint() {
  const digest = createHash('sha256');
  const files = readdirSync(join(here, 'src'), {recursive: true, withFileTypes: true})
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  const extra = ['package.json', 'package-lock.json', 'build.mjs'].map((name) => join(here, name));
  const named = [...files, ...extra].map((path) => [path.slice(here.length + 1).replaceAll('\\', '/'), path]);
  for (const [name, path] of named.sort(([a], [b]) => (a < b ? -1 : 1))) {
    digest.update(name);
    digest.update(readFileSync(path));
  }
  return digest.digest('hex');
}

await build({...shared, entryPoints: [join(here, 'src/chat.ts')], outfile: join(out, 'chat.js'), banner: {js: banner}});
const version = createHash('sha256').update(readFileSync(join(out, 'chat.js'))).digest('hex').slice(0, 12);
await build({
  ...shared,
  entryPoints: [join(here, 'src/launcher.ts')],
  outfile: join(out, 'widget.js'),
  define: {VERSION: JSON.stringify(version)},
});
await build({...shared, entryPoints: [join(here, 'src/embed-check.ts')], outfile: join(out, 'embed-check.js')});
for (const name of ['index.html', 'chat.html', 'embed-check.html', 'page.css', 'icon.svg']) {
  copyFileSync(join(here, 'src/page', name), join(out, name));
}
const gzipped = Object.fromEntries(
  ['widget.js', 'chat.js'].map((name) => [name, gzipSync(readFileSync(join(out, name)), {level: 9}).length]),
);
writeFileSync(join(out, 'manifest.json'), JSON.stringify({sources: fingerprint(), gzipped}, null, 2) + '\n');
for (const [name, bytes] of Object.entries(gzipped)) console.log(`${name}: ${(bytes / 1000).toFixed(1)} kB gzip`);

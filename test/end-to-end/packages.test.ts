/** What users install, as they use it: every Node that the SDKs promise to run on, loaded both ways, and every compiler. */
import t from 'tap';
import { nodeBinary } from '../../tools/packages/node-binary.ts';
import { COMPILATIONS, ScratchProject } from '../../tools/packages/scratch-project.ts';

/** The oldest one, the oldest of the next line that can `require` an ES module, and the newest of both lines in support. */
const NODES = ['20.19.0', '22.12.0', '22.23.3', '24.21.0'];

t.setTimeout(200_000);

const project = await ScratchProject.make();
t.teardown(() => project.remove());

for (const version of NODES) {
  const node = await nodeBinary(version);
  const skip = 'missing' in node ? node.missing : false;
  t.test(`Node ${version}`, { skip }, async t => {
    if ('missing' in node) return;
    for (const how of ['import', 'require'] as const) {
      const said = await project.use(node.path, how);
      t.match(said, `Node ${version}: a client, a producer with a check function`, how);
    }
  });
}

for (const compilation of Object.keys(COMPILATIONS) as (keyof typeof COMPILATIONS)[]) {
  t.test(compilation, async t => {
    await t.resolves(project.typeCheck(compilation));
  });
}

t.test('no SDK uses what its oldest Node does not have', async t => {
  await t.resolves(project.typeCheckForOldestNode());
});

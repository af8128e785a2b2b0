// The engine loads a policy pack with require and would compile it with ts-node. The pack is ESM that tsx
// runs, as the program is; the engine awaits what this exports.
module.exports = import('tsx/esm/api').then(({ register }) => {
  register();
  return import('./pack.ts');
});

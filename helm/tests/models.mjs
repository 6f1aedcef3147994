// Checks custom resources against the published models of their kinds: values by the models' validators, unknown fields
// by the compiler, because the validators let those pass.
//
//   node models.mjs MODELS-DIRECTORY < objects.json     [{where, object}, …]
//
// Prints one line per error. Exit status 1 with errors, 2 for a kind without a model.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const root = resolve(process.argv[2]);
const models = join(root, "node_modules/@kubernetes-models");
const packages = ["istio", "gateway-api", "prometheus-operator", "argo-cd", "argo-rollouts", "keda", "karpenter", "external-secrets"];

function modelOf(object) {
  for (const name of packages) {
    const file = join(models, name, object.apiVersion, `${object.kind}.js`);
    if (existsSync(file)) return { file, specifier: `@kubernetes-models/${name}/${object.apiVersion}/${object.kind}` };
  }
  console.log(`no model for ${object.apiVersion} ${object.kind}`);
  process.exit(2);
}

async function wrongValues(entries) {
  const faults = [];
  for (const { where, object } of entries) {
    const { [object.kind]: Model } = await import(pathToFileURL(modelOf(object).file));
    try {
      new Model(object).validate();
    } catch (error) {
      faults.push(`${where}: ${error.message}`);
    }
  }
  return faults;
}

// An object literal with a property that its type lacks does not compile. One line per object, so that the compiler's
// line identifies it.
function unknownFields(entries) {
  const lines = entries.map(({ object }, index) => {
    const { specifier } = modelOf(object);
    const type = `import(${JSON.stringify(specifier)}).I${object.kind}`;
    return `export const o${index}: ${type} = ${JSON.stringify(object)};`;
  });
  const directory = mkdtempSync(join(root, "check-"));
  try {
    const source = join(directory, "objects.ts");
    writeFileSync(source, `${lines.join("\n")}\n`);
    const options = ["--noEmit", "--strict", "--skipLibCheck", "--pretty", "false"];
    const resolution = ["--module", "nodenext", "--moduleResolution", "nodenext", "--target", "es2022"];
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const run = spawnSync(process.execPath, [tsc, ...options, ...resolution, source], { encoding: "utf8" });
    if (run.error) throw run.error;
    const said = run.stdout.split("\n").filter((line) => line && !line.startsWith(" "));
    const faults = said.map((line) => {
      const match = /objects\.ts\((\d+),\d+\): error (.*)/.exec(line);
      return match ? `${entries[Number(match[1]) - 1].where}: ${match[2]}` : line;
    });
    if (run.status !== 0 && faults.length === 0) throw new Error(`tsc: ${run.stderr}`);
    return faults;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const entries = JSON.parse(readFileSync(0, "utf8"));
const faults = [...(await wrongValues(entries)), ...unknownFields(entries)];
for (const fault of faults) console.log(fault);
process.exit(faults.length === 0 ? 0 : 1);

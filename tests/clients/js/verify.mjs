// jose as a program: node verify.mjs <node_modules> with {receipt, keys} on stdin; prints the claims, or fails.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { compactVerify, createLocalJWKSet } = await import(pathToFileURL(createRequire(`${process.argv[2]}/`).resolve("jose")));
const { receipt, keys } = JSON.parse(readFileSync(0));
const { payload } = await compactVerify(receipt, createLocalJWKSet(keys), { algorithms: ["Ed25519"] });
process.stdout.write(new TextDecoder().decode(payload));

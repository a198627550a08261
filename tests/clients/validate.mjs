// Holds the generated descriptions against the official validators: node validate.mjs OPENAPI ASYNCAPI
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";
import { Validator } from "@seriousme/openapi-schema-validator";

const [openapi, asyncapi] = await Promise.all(process.argv.slice(2, 4).map((path) => readFile(path, "utf8")));

const rest = await new Validator().validate(JSON.parse(openapi));
const { diagnostics } = await new Parser().parse(asyncapi);
// Severity 0 is an error; the rest is advice.
const errors = diagnostics.filter((finding) => finding.severity === 0);
const found = [
  ...(rest.valid ? [] : [`openapi: ${JSON.stringify(rest.errors)}`]),
  ...errors.map((error) => `asyncapi: ${error.path.join(".")}: ${error.message}`),
];
if (found.length > 0) {
  console.error(found.slice(0, 20).join("\n"));
  process.exit(1);
}
console.log("both documents are valid");

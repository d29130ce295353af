// Reads AsyncAPI documents, one JSON object a line, and prints what the official parser says of each: a JSON list a line.
const { Parser } = require("@asyncapi/parser");
const { createInterface } = require("node:readline");

async function main() {
  const parser = new Parser();
  for await (const line of createInterface({ input: process.stdin })) {
    const { document, diagnostics } = await parser.parse(line);
    const said = diagnostics.map(({ code, severity, message, path }) => ({ code, severity, message, path: path.join(".") }));
    const messages = document ? document.allMessages().all().map((message) => message.name()) : [];
    console.log(JSON.stringify({ accepted: Boolean(document), said, messages }));
  }
}

main();

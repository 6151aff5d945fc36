// The syntax of queries, as Microsoft's Kusto parser reads it.
// Reads {name: text} and writes {name: tree}. A node is a list of its kind and its children; a token is its text; what is left out is null.
const fs = require("node:fs");

require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { KustoCode, Syntax } = Kusto.Language;
const kinds = Object.fromEntries(Object.entries(Syntax.SyntaxKind).map(([name, number]) => [number, name]));

function tree(node) {
  if (!node || node.IsToken) {
    return node ? node.Text : null;
  }
  return [kinds[node.Kind], ...Array.from({ length: node.ChildCount }, (_, place) => tree(node.GetChild(place)))];
}

const found = {};
for (const [name, text] of Object.entries(JSON.parse(fs.readFileSync(0, "utf8")))) {
  found[name] = tree(KustoCode.Parse(text).Syntax);
}
process.stdout.write(JSON.stringify(found));

// What Microsoft's Kusto parser says of queries, with semantic analysis against the columns of their tables.
// Reads {"tables": {name: {column: type}}, "queries": {name: text}} and writes {name: [what is wrong, ...]}.
const fs = require("node:fs");

require("@kusto/language-service-next/bridge.min.js");
require("@kusto/language-service-next/Kusto.Language.Bridge.min.js");

const { tables, queries } = JSON.parse(fs.readFileSync(0, "utf8"));
const { KustoCode, GlobalState, Symbols } = Kusto.Language;

const symbols = Object.entries(tables).map(([name, columns]) => {
  const schema = Object.entries(columns).map(([column, type]) => `${column}: ${type}`).join(", ");
  // A constructor with overloads has a number in this package: 7 takes a schema as text, 3 a sequence of members.
  return new Symbols.TableSymbol.$ctor7(name, `(${schema})`, null);
});
const database = new Symbols.DatabaseSymbol.$ctor3("workspace", null, symbols, false);
const globals = GlobalState.Default.WithDatabase(database);

const said = {};
for (const [name, text] of Object.entries(queries)) {
  const diagnostics = KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics();
  said[name] = Array.from({ length: diagnostics.Count }, (_, place) => {
    const one = diagnostics.getItem(place);
    return `${one.Severity} ${one.Code}: ${one.Message} at '${text.substr(one.Start, one.Length)}'`;
  });
}
process.stdout.write(JSON.stringify(said));

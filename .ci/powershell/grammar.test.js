// Reads the committed PowerShell scripts by PowerShell's grammar. Nothing runs them.
import assert from "node:assert";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { Language, Parser } from "web-tree-sitter";

await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(createRequire(import.meta.url).resolve("tree-sitter-powershell/tree-sitter-powershell.wasm")));

function parses(text) {
  return !parser.parse(text).rootNode.hasError;
}

const scripts = ["../../generators/testdata/", "../../examples/"].flatMap((folder) =>
  readdirSync(new URL(folder, import.meta.url), { recursive: true })
    .filter((name) => name.endsWith(".ps1"))
    .map((name) => readFileSync(new URL(folder + name, import.meta.url), "utf8")));

test("the committed scripts are PowerShell", () => {
  assert.ok(scripts.length >= 2);
  scripts.forEach((script) => assert.ok(parses(script)));
});

test("the grammar notices mistakes", () => {
  for (const [old, changed] of [["= @(", "= @"], ["'Inbound'", "'Inbound"], ["} else {", "else {"], ["foreach ($rule in", "foreach ($rule of"], ["| Out-Null", "| |"],
    [" = 'TCP'", " 'TCP'"], ["$_.Name }", "$_.Name"]]) {
    scripts.forEach((script) => {
      assert.ok(script.includes(old), old);
      assert.ok(!parses(script.replace(old, () => changed)), changed);
    });
  }
});

// A string as the target's escaper writes it is one string, whatever is in it.
test("a quote within a string is doubled", () => {
  const one = parser.parse("$x = 'it''s $(id) `n \" #'").rootNode;
  assert.ok(!one.hasError);
  assert.equal(one.descendantsOfType("verbatim_string_characters").length, 1);
  assert.ok(!parses("$x = 'it's'"));
});

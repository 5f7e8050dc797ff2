#!/usr/bin/env python3
"""Writes schemas/PROVIDER.json from the bindings that @cdktf publishes on npm:
names, types, what is required, nested blocks. For each provider:

    npm pack @cdktf/provider-google && tar xzf cdktf-provider-google-*.tgz
    extract.py google package compute-firewall >schemas/google.json

Which optional attributes the provider computes the bindings do not say;
rules.json does, where it matters."""
import json
import re
import sys


def words(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def type_of(entry):
    plain = {"string": "string", "number": "number", "boolean": "bool"}
    kind, storage = entry["type"], entry["storage"]
    if kind == "simple":
        return plain.get(storage)
    inner = plain.get(re.sub(r"(List|Map)$", "", storage))
    return inner and [kind, inner]


def entries(js, start):
    """The attributes of the object literal attrs after a position."""
    start = js.index("const attrs = {", start)
    indent = js[js.rindex("\n", 0, start):start]
    body = js[start:js.index(indent + "};", start)]
    found = re.findall(r"(\w+): \{\s+value: (.*?),\n\s+isBlock: (\w+),\s+type: \"(\w+)\",\s+storageClassType: \"(\w+)\",", body, re.S)
    return {name: {"value": value, "block": block == "true", "type": kind, "storage": storage} for name, value, block, kind, storage in found}


def interface(dts, name):
    """The arguments of an interface, and whether each is required."""
    body = re.search(r"export interface %s (?:extends [\w.]+ )?\{(.*?)\n\}" % name, dts, re.S).group(1)
    return {words(arg): not optional for arg, optional in re.findall(r"readonly (\w+)(\??):", body)}


def block(js, dts, attrs, name):
    required = interface(dts, name)
    made = {"attributes": {}, "blocks": {}}
    for arg, entry in sorted(attrs.items()):
        if not entry["block"]:
            kind = type_of(entry)
            if kind:
                made["attributes"][arg] = {"type": kind, "required" if required.get(arg) else "optional": True}
            continue
        struct = re.sub(r"List$", "", entry["storage"])
        start = js.index("function %sToHclTerraform" % (struct[0].lower() + struct[1:]))
        inner = block(js, dts, entries(js, start), struct)
        inner["nesting"] = {"struct": "single", "list": "list", "set": "set"}[entry["type"]]
        if required.get(arg):
            inner["required"] = True
        made["blocks"][arg] = inner
    return made


def resource(folder, name):
    js = open("%s/lib/%s/index.js" % (folder, name)).read()
    dts = open("%s/lib/%s/index.d.ts" % (folder, name)).read()
    kind = re.search(r'tfResourceType = "(\w+)"', dts).group(1)
    cls = re.search(r"export declare class (\w+) extends cdktf.TerraformResource", dts).group(1)
    made = block(js, dts, entries(js, js.index("synthesizeHclAttributes() {")), cls + "Config")
    own = dts[dts.index("export declare class %s extends" % cls):]
    setters = set(re.findall(r"set (\w+)\(value", own)) | set(re.findall(r"put(\w+)\(", own))
    for name, kind_ in re.findall(r"get (\w+)\(\): (string|number|cdktf.IResolvable|string\[\]);", own):
        arg = words(name)
        if name not in setters and not name.endswith("Input") and arg not in made["attributes"]:
            made["attributes"][arg] = {"type": {"string": "string", "number": "number", "string[]": ["list", "string"]}.get(kind_, "bool"), "computed": True}
    made["attributes"]["id"] = {"type": "string", "optional": True, "computed": True}
    made["attributes"] = dict(sorted(made["attributes"].items()))
    return kind, made, re.search(r"providerVersion: '([\d.]+)'", js).group(1)


def main():
    provider, folder, *names = sys.argv[1:]
    package = json.load(open(folder + "/package.json"))
    resources = {}
    for name in names:
        kind, resources[kind], version = resource(folder, name)
    lines = []
    for kind, made in sorted(resources.items()):
        lines.append("  %s: {" % json.dumps(kind))
        parts = []
        for part in "attributes", "blocks":
            rows = ["      %s: %s" % (json.dumps(k), json.dumps(v)) for k, v in made[part].items()]
            parts.append('    "%s": {\n%s\n    }' % (part, ",\n".join(rows)) if rows else '    "%s": {}' % part)
        lines.append(",\n".join(parts))
        lines.append("  }," if kind != max(resources) else "  }")
    print('{\n"provider": %s,\n"from": %s,\n"resources": {\n%s\n}\n}' % (
        json.dumps("hashicorp/" + provider if provider != "digitalocean" else "digitalocean/digitalocean"),
        json.dumps("%s %s, from %s %s (%s)" % (provider, version, package["name"], package["version"], package["license"])), "\n".join(lines)))


main()

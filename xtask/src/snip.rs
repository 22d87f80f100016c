//! Takes code out of the browser's part that nothing can reach, though neither the compiler nor wasm-opt can know it.
//!
//! Every `AnyView` of Leptos carries a pointer to a function that hydrates it step by step, for pages that wait for their code
//! while they hydrate. Only `hydrate_lazy` calls through those pointers, and this application, which has a page's code
//! before it hydrates the page, does that with `hydrate_body`. Source: pull request 4438 of leptos-rs/leptos, on the same
//! duplication.

use std::collections::HashSet;
use std::ops::Range;

use anyhow::{Result, ensure};
use wasm_encoder::{CustomSection, Encode, Module, RawSection};
use wasmparser::{BinaryReaderError, FunctionBody, KnownCustom, Name, Operator, Parser, Payload, RelocSectionReader};

/// Part of the names of the functions that are never called.
const UNREACHABLE: &str = "hydrate_async";
/// Where this is in use, they are.
const IN_USE: &str = "hydrate_lazy";
/// Destructors of their types may be shared with other types of the same layout.
const SHARED: &str = "drop_in_place";
/// The section that says where the code refers to something (WebAssembly tool conventions, "Linking").
const RELOCATIONS: &str = "reloc.CODE";

/// The module without the bodies of those functions, and without what they refer to. One that any other function calls by its
/// name stays whole: the compiler may have merged it with one that is needed.
pub fn snip(module: &[u8]) -> Result<Vec<u8>> {
    let functions = Functions::of(module)?;
    ensure!(functions.named(IN_USE).is_empty(), "the application calls {IN_USE}: {UNREACHABLE} is in use");
    let bodies: Vec<Range<usize>> =
        functions.uncalled(functions.named(UNREACHABLE)).map(|index| functions.bodies[index].range.clone()).collect();
    let mut snipped = module.to_vec();
    for body in &bodies {
        // As long as it was, since everything behind it is known by where it is: no locals, a trap, and nothing more.
        snipped[body.clone()].fill(NOP);
        snipped[body.start] = 0;
        snipped[body.start + 1] = UNREACHABLE_OPERATOR;
        snipped[body.end - 1] = END;
    }
    let mut result = Module::new();
    let (mut code, mut relocations) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match &payload {
            Payload::CodeSectionStart { range, .. } => code = range.start as usize,
            Payload::CustomSection(section) if section.name() == RELOCATIONS => {
                if let KnownCustom::Reloc(reader) = section.as_known() {
                    let dropped = |offset: u32| bodies.iter().any(|body| body.contains(&(code + offset as usize)));
                    relocations = without(module, reader, dropped)?;
                    result.section(&CustomSection { name: RELOCATIONS.into(), data: (&relocations).into() });
                    continue;
                }
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            result.section(&RawSection { id, data: &snipped[places(range)] });
        }
    }
    ensure!(!relocations.is_empty(), "the module does not say where its code refers to what");
    Ok(result.finish())
}

/// The module without the names and whatever else nobody needs to run it.
pub fn bare(module: &[u8]) -> Result<Vec<u8>> {
    let mut result = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let (false, Some((id, range))) = (matches!(payload, Payload::CustomSection(_)), payload.as_section()) {
            result.section(&RawSection { id, data: &module[places(range)] });
        }
    }
    Ok(result.finish())
}

const UNREACHABLE_OPERATOR: u8 = 0x00;
const NOP: u8 = 0x01;
const END: u8 = 0x0b;

/// A section of relocations without some of them.
fn without(
    module: &[u8],
    reader: RelocSectionReader<'_>,
    dropped: impl Fn(u32) -> bool,
) -> Result<Vec<u8>, BinaryReaderError> {
    let end = reader.range().end;
    let entries = reader.entries().into_iter_with_offsets().collect::<Result<Vec<_>, _>>()?;
    let ends = entries.iter().skip(1).map(|(start, _)| *start).chain([end]);
    let kept = entries.iter().zip(ends).filter(|((_, entry), _)| !dropped(entry.offset));
    let kept: Vec<&[u8]> = kept.map(|((start, _), end)| &module[places(*start..end)]).collect();
    let mut section = Vec::new();
    reader.section_index().encode(&mut section);
    kept.len().encode(&mut section);
    section.extend(kept.concat());
    Ok(section)
}

/// Offsets in a module that is in memory.
fn places(range: Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// The functions of a module, by their index.
struct Functions {
    imported: usize,
    names: Vec<(usize, String)>,
    /// Of those that are not imported.
    bodies: Vec<Body>,
}

struct Body {
    range: Range<usize>,
    /// The functions that it names.
    names: Vec<usize>,
}

impl Functions {
    fn of(module: &[u8]) -> Result<Self> {
        let mut functions = Self { imported: 0, names: Vec::new(), bodies: Vec::new() };
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        functions.imported += usize::from(matches!(import?.ty, wasmparser::TypeRef::Func(_)));
                    }
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(Body::of(&body)?),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        for name in names {
                            if let Name::Function(names) = name? {
                                for naming in names {
                                    let naming = naming?;
                                    functions.names.push((naming.index as usize, naming.name.to_owned()));
                                }
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(functions)
    }

    /// Those of the module's own with this in their names.
    fn named(&self, part: &str) -> HashSet<usize> {
        let named = self.names.iter().filter(|(_, name)| name.contains(part) && !name.contains(SHARED));
        named.map(|(index, _)| *index).filter(|index| *index >= self.imported).collect()
    }

    /// The places in `bodies` of those that no other function names.
    fn uncalled(&self, mut of: HashSet<usize>) -> impl Iterator<Item = usize> {
        loop {
            let others = self.bodies.iter().enumerate().filter(|(place, _)| !of.contains(&(place + self.imported)));
            let called: HashSet<usize> = others.flat_map(|(_, body)| body.names.iter().copied()).collect();
            let before = of.len();
            of.retain(|index| !called.contains(index));
            if of.len() == before {
                return of.into_iter().map(|index| index - self.imported);
            }
        }
    }
}

impl Body {
    fn of(body: &FunctionBody<'_>) -> Result<Self> {
        let mut names = Vec::new();
        for operator in body.get_operators_reader()? {
            if let Operator::Call { function_index }
            | Operator::ReturnCall { function_index }
            | Operator::RefFunc { function_index } = operator?
            {
                names.push(function_index as usize);
            }
        }
        Ok(Self { range: places(body.range()), names })
    }
}

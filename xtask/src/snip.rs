//! Takes code out of the browser's part that nothing can reach, though neither the compiler nor wasm-opt can know it.
//!
//! Every `AnyView` of Leptos carries a pointer to a function that hydrates it step by step, for pages whose code is loaded on
//! demand. Only `hydrate_lazy` calls through those pointers, and this application, which loads all of its code at once,
//! hydrates with `hydrate_body`. Source: pull request 4438 of leptos-rs/leptos, on the same duplication.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use walrus::ir::{Visitor, dfs_in_order};
use walrus::{FunctionBuilder, FunctionId, FunctionKind, ModuleConfig};

/// Part of the names of the functions that are never called.
const UNREACHABLE: &str = "hydrate_async";
/// Where this is in use, they are.
const IN_USE: &str = "hydrate_lazy";
/// Destructors of their types may be shared with other types of the same layout.
const SHARED: &str = "drop_in_place";

/// Writes `from` without the bodies of those functions to `to`; wasm-opt then drops what only they used. One that any other
/// function calls by its name stays whole: the compiler may have merged it with one that is needed.
pub fn snip(from: &Path, to: &Path) -> Result<()> {
    let mut module = ModuleConfig::new().strict_validate(false).parse_file(from)?;
    let named = |part: &str| {
        let functions = module.funcs.iter_local().filter(|(id, _)| {
            let name = module.funcs.get(*id).name.as_deref().unwrap_or_default();
            name.contains(part) && !name.contains(SHARED)
        });
        functions.map(|(id, _)| id).collect::<HashSet<_>>()
    };
    ensure!(named(IN_USE).is_empty(), "the application calls {IN_USE}: {UNREACHABLE} is in use");
    let mut unreachable = named(UNREACHABLE);
    loop {
        let kept = module.funcs.iter_local().filter(|(id, _)| !unreachable.contains(id));
        let mut called = Called::default();
        for (_, function) in kept {
            dfs_in_order(&mut called, function, function.entry_block());
        }
        let before = unreachable.len();
        unreachable.retain(|id| !called.0.contains(id));
        if unreachable.len() == before {
            break;
        }
    }
    for id in unreachable {
        let function = module.funcs.get(id).ty();
        let (parameters, results) = module.types.params_results(function);
        let (parameters, results) = (parameters.to_vec(), results.to_vec());
        let mut body = FunctionBuilder::new(&mut module.types, &parameters, &results);
        body.func_body().unreachable();
        let arguments = parameters.iter().map(|kind| module.locals.add(*kind)).collect();
        module.funcs.get_mut(id).kind = FunctionKind::Local(body.local_func(arguments));
    }
    module.emit_wasm_file(to).with_context(|| format!("cannot write {}", to.display()))
}

/// The functions that are called by name.
#[derive(Default)]
struct Called(HashSet<FunctionId>);

impl Visitor<'_> for Called {
    fn visit_function_id(&mut self, function: &FunctionId) {
        self.0.insert(*function);
    }
}

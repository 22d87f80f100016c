use leptos::html;
use leptos::prelude::*;
use server::model::json;
use web_sys::wasm_bindgen::JsCast;

use super::{Note, SmallButton};

/// Lines that the editor shows at least and at most; it grows with its text in between.
const ROWS: std::ops::RangeInclusive<usize> = 6..=18;
/// Bytes up to which brackets are matched: in longer text it would delay the caret.
const LONGEST_MATCHED: usize = 100_000;

/// A field for JSON. Without JavaScript it is a plain text area. With it there are line numbers, mistakes show while one
/// types, the partner of a bracket stands out, and Tab indents: but only after something was typed, so that one who walks
/// through a form by Tab is never caught, and Escape gives Tab back.
#[component]
pub fn JsonEditor(
    /// Name in the form, and base of the element's id.
    name: &'static str,
    label: &'static str,
    #[prop(into)] value: String,
    hint: &'static str,
    /// What the server had against it.
    #[prop(into)]
    error: Signal<Option<String>>,
) -> impl IntoView {
    let element = NodeRef::<html::Textarea>::new();
    let text = RwSignal::new(value.clone());
    let hydrated = RwSignal::new(false);
    // Whether the text is newer than what the server has said of it.
    let edited = RwSignal::new(false);
    let tab_indents = RwSignal::new(false);
    let caret = RwSignal::new(None::<usize>);
    let scrolled = RwSignal::new((0, 0));
    Effect::new(move |_| {
        error.track();
        edited.set(false);
    });
    Effect::new(move |_| {
        if let Some(area) = element.get() {
            // Something may have been typed before the page was hydrated.
            edited.set(area.default_value().is_ok_and(|rendered| area.value() != rendered));
            text.set(area.value());
            hydrated.set(true);
        }
    });

    let mistake = Memo::new(move |_| text.with(|text| json::check(text).err()));
    let message =
        Signal::derive(
            move || {
                if edited.get() { mistake.get().map(|mistake| mistake.to_string()) } else { error.get() }
            },
        );
    let lines = Memo::new(move |_| text.with(|text| text.split('\n').count()));
    let wrong_line = Memo::new(move |_| message.get().and(mistake.get()).map(|mistake| mistake.line));
    let pair = Memo::new(move |_| {
        let caret = caret.get()?;
        text.with(|text| (text.len() <= LONGEST_MATCHED).then(|| json::pair_at(text, byte_at(text, caret))).flatten())
    });

    let look_at_caret = move || {
        if let Some(area) = element.get_untracked() {
            let (from, to) = (area.selection_start().ok().flatten(), area.selection_end().ok().flatten());
            caret.set(from.filter(|_| from == to).map(|at| at as usize));
        }
    };
    let on_input = move |_| {
        if let Some(area) = element.get_untracked() {
            text.set(area.value());
            edited.set(true);
            tab_indents.set(true);
            look_at_caret();
        }
    };
    let on_keydown = move |event: web_sys::KeyboardEvent| match event.key().as_str() {
        "Tab" if tab_indents.get_untracked() && !event.shift_key() && !event.ctrl_key() && !event.alt_key() => {
            event.prevent_default();
            insert("  ");
        }
        "Escape" if tab_indents.get_untracked() => {
            // The dialog around it stays; the next Escape closes it.
            event.prevent_default();
            event.stop_propagation();
            tab_indents.set(false);
        }
        _ => {}
    };
    let format = move |_| {
        if let Some(area) = element.get_untracked() {
            let pretty = json::indent(&area.value());
            drop(area.focus());
            if pretty != area.value() {
                area.select();
                insert(&pretty);
                drop(area.set_selection_range(0, 0));
                area.set_scroll_top(0);
            }
            tab_indents.set(false);
        }
    };

    let id = format!("field-{name}");
    let (note, keys) = (format!("{id}-note"), format!("{id}-keys"));
    let gutter = move || scrolled.with(|(_, top)| format!("transform: translateY(-{top}px)"));
    let marks = move || scrolled.with(|(left, top)| format!("transform: translate(-{left}px, -{top}px)"));
    view! {
        <div class="flex flex-col gap-1">
            <div class="flex items-end justify-between gap-3">
                <label for=id.clone() class="text-sm font-medium text-ink">{label}</label>
                <Show when=move || hydrated.get()>
                    <SmallButton text="Format" on_press=format disabled=Signal::derive(move || mistake.with(Option::is_some))/>
                </Show>
            </div>
            <div class="editor" class:numbered=hydrated>
                <Show when=move || hydrated.get()>
                    <div aria-hidden="true" class="editor-gutter">
                        <div style=gutter>
                            <Numbers lines=lines wrong=wrong_line/>
                        </div>
                    </div>
                    <div aria-hidden="true" class="editor-marks">
                        <pre style=marks>
                            {move || pair.get().map(|pair| text.with(|text| marked(text, pair)))}
                        </pre>
                    </div>
                </Show>
                <textarea
                    node_ref=element
                    id=id
                    name=name
                    rows=move || lines.get().clamp(*ROWS.start(), *ROWS.end())
                    wrap=move || hydrated.get().then_some("off")
                    spellcheck="false"
                    autocomplete="off"
                    autocapitalize="off"
                    aria-describedby=format!("{note} {keys}")
                    aria-invalid=move || message.get().is_some().then_some("true")
                    class="input font-mono text-xs leading-5"
                    on:input=on_input
                    on:keydown=on_keydown
                    on:keyup=move |_| look_at_caret()
                    on:click=move |_| look_at_caret()
                    on:focus=move |_| look_at_caret()
                    on:blur=move |_| {
                        caret.set(None);
                        tab_indents.set(false);
                    }
                    on:scroll=move |_| {
                        if let Some(area) = element.get_untracked() {
                            scrolled.set((area.scroll_left(), area.scroll_top()));
                        }
                    }
                >
                    {value}
                </textarea>
            </div>
            <div class="flex flex-wrap items-start justify-between gap-x-3">
                <div class="min-w-0 font-mono"><Note id=note hint=hint error=message calm=edited/></div>
                <p id=keys class="text-xs leading-4 text-soft">
                    {move || tab_indents.get().then_some("Tab indents; Escape, then Tab, leaves the field.")}
                </p>
            </div>
        </div>
    }
}

/// The numbers of the lines, the wrong one marked.
#[component]
fn Numbers(lines: Memo<usize>, wrong: Memo<Option<usize>>) -> impl IntoView {
    let numbers = |range: std::ops::Range<usize>| range.map(|n| format!("{n}\n")).collect::<String>();
    move || {
        let end = lines.get() + 1;
        match wrong.get().filter(|line| *line < end) {
            None => view! { <pre>{numbers(1..end)}</pre> }.into_any(),
            Some(line) => view! {
                <pre>{numbers(1..line)}<b data-testid="wrong-line">{line}</b>"\n"{numbers(line + 1..end)}</pre>
            }
            .into_any(),
        }
    }
}

/// The text with two brackets marked; only the marks are visible.
fn marked(text: &str, (open, close): (usize, usize)) -> impl IntoView + use<> {
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    view! {
        {part(0, open)}<mark>{part(open, open + 1)}</mark>{part(open + 1, close)}<mark>{part(close, close + 1)}</mark>
    }
}

/// The byte of a place that the browser counts in UTF-16 units.
fn byte_at(text: &str, units: usize) -> usize {
    let mut left = units;
    for (at, character) in text.char_indices() {
        match left.checked_sub(character.len_utf16()) {
            Some(rest) if left > 0 => left = rest,
            _ => return at,
        }
    }
    text.len()
}

/// Puts text in place of what is selected, so that the browser's undo takes it back.
fn insert(text: &str) {
    // The one command that keeps the undo history; browsers keep it in turn although it is called obsolete.
    let document = document().unchecked_into::<web_sys::HtmlDocument>();
    drop(document.exec_command_with_show_ui_and_value("insertText", false, text));
}

#[cfg(test)]
mod tests {
    use super::byte_at;

    #[test]
    fn places_are_counted_as_the_browser_does() {
        let text = "aé🎉b";
        assert_eq!([0, 1, 2, 4, 5, 9].map(|units| byte_at(text, units)), [0, 1, 3, 7, 8, 8]);
    }
}

use leptos::prelude::*;
use server::model::FieldError;

/// The message that belongs to a field.
pub fn error_of(errors: RwSignal<Vec<FieldError>>, field: &'static str) -> Signal<Option<String>> {
    Signal::derive(move || {
        errors.with(|errors| errors.iter().find(|error| error.field == field).map(|error| error.message.clone()))
    })
}

/// The first message that belongs to none of the fields that a form shows.
pub fn error_besides(errors: RwSignal<Vec<FieldError>>, shown: &'static [&'static str]) -> Signal<Option<String>> {
    let is_besides = move |error: &&FieldError| !shown.contains(&error.field.as_str());
    Signal::derive(move || errors.with(|errors| errors.iter().find(is_besides).map(|error| error.message.clone())))
}

/// A labelled input with its message beside it.
#[component]
pub fn Field(
    /// Name in the form, and base of the element's id.
    name: &'static str,
    label: &'static str,
    #[prop(into)] value: String,
    #[prop(into)] error: Signal<Option<String>>,
    #[prop(default = "text")] kind: &'static str,
    #[prop(optional)] hint: &'static str,
    #[prop(optional, into)] placeholder: String,
    /// Id of a datalist that is offered while typing.
    #[prop(optional)]
    list: Option<&'static str>,
    #[prop(optional)] inputmode: Option<&'static str>,
    #[prop(optional)] autofocus: bool,
) -> impl IntoView {
    let id = format!("field-{name}");
    let note = format!("{id}-note");
    let described = note.clone();
    view! {
        <div class="flex flex-col gap-1">
            <label for=id.clone() class="text-sm font-medium text-ink">{label}</label>
            <input
                id=id
                name=name
                type=kind
                value=value
                placeholder=placeholder
                list=list
                inputmode=inputmode
                autofocus=autofocus
                autocomplete="off"
                spellcheck="false"
                aria-invalid=move || error.get().is_some().then_some("true")
                aria-describedby=described
                class="input"
            />
            <Note id=note hint=hint error=error/>
        </div>
    }
}

/// What stands below a field: its message, else its hint.
#[component]
pub fn Note(
    #[prop(into)] id: String,
    hint: &'static str,
    #[prop(into)] error: Signal<Option<String>>,
    /// The message changes while one types: it describes the field, and is not called out.
    #[prop(optional, into)]
    calm: Signal<bool>,
) -> impl IntoView {
    view! {
        <div id=id class="text-xs leading-4">
            {move || match error.get() {
                Some(message) => {
                    let role = (!calm.get_untracked()).then_some("alert");
                    view! { <p role=role class="whitespace-pre-wrap text-bad">{message}</p> }
                }.into_any(),
                None if hint.is_empty() => ().into_any(),
                None => view! { <p class="text-soft">{hint}</p> }.into_any(),
            }}
        </div>
    }
}

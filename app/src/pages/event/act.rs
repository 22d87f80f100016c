use leptos::prelude::*;
use server::functions::{Failure, cancel, redeliver};
use server::model::Changed;

use crate::components::{Kind, SubmitButton};

/// What can be done with deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Redeliver,
    Cancel,
}

/// A button that redelivers or cancels one delivery of an event or all of them, a form without JavaScript.
#[component]
pub fn Act(
    project: String,
    event: String,
    /// `None`: every trigger.
    trigger: Option<String>,
    action: Action,
    #[prop(into)] text: String,
    changed: Callback<()>,
) -> impl IntoView {
    let path = format!("{}/{event}", crate::pages::events_path(&project));
    let name = trigger.clone().unwrap_or_default();
    let act = leptos::prelude::Action::new(move |(): &()| {
        let (project, event, trigger) = (project.clone(), event.clone(), trigger.clone());
        async move {
            match action {
                Action::Redeliver => redeliver(project, event, trigger).await,
                Action::Cancel => cancel(project, event, trigger).await,
            }
        }
    });
    Effect::new(move |_| {
        if act.value().with(|done| matches!(done, Some(Ok(_)))) {
            changed.run(());
        }
    });
    let (intent, kind) = match action {
        Action::Redeliver => ("redeliver", Kind::Primary),
        Action::Cancel => ("cancel", Kind::Plain),
    };
    let kind = if name.is_empty() { kind } else { Kind::Plain };
    let label = if name.is_empty() { text.clone() } else { format!("{text} {name}") };
    view! {
        <form
            method="post"
            action=path
            class="flex flex-wrap items-center gap-y-2"
            on:submit=move |event| {
                event.prevent_default();
                act.dispatch(());
            }
        >
            <input type="hidden" name="intent" value=intent/>
            <input type="hidden" name="trigger" value=name/>
            <span role="status" class="said text-xs text-soft">{move || act.value().get().map(|done| said(done, action))}</span>
            <SubmitButton kind=kind text=text pending=act.pending() label=label/>
        </form>
    }
}

/// What an action did, in plain words.
fn said(done: Result<Changed, Failure>, action: Action) -> String {
    match done {
        Err(failure) => failure.message,
        Ok(changed) => {
            let what = match (action, changed.triggers.len()) {
                (Action::Redeliver, 1) => "1 delivery is queued again.".to_owned(),
                (Action::Redeliver, n) => format!("{n} deliveries are queued again."),
                (Action::Cancel, 1) => "1 delivery is cancelled.".to_owned(),
                (Action::Cancel, n) => format!("{n} deliveries are cancelled."),
            };
            let left = changed.left.iter().map(|left| format!(" {}: {}", left.trigger, left.why)).collect::<String>();
            what + &left
        }
    }
}

use leptos::prelude::*;
use server::functions::{Failure, cancel, redeliver};
use server::model::{Changed, JobAction};

use crate::PageState;
use crate::components::{Kind, SubmitButton};
use crate::load::Renewal;

/// What is done with the page's event, and what came of it. It is the page's, so that it outlasts what is shown of the event.
#[derive(Clone, Copy)]
pub struct Acts {
    /// Of the delivery to the trigger of a name, or of all. It goes on until what has come of it is shown: a second press of a
    /// button must not be one of what the first has made of it.
    act: Action<(JobAction, Option<String>), ()>,
    pub said: RwSignal<Option<String>>,
    pub failure: RwSignal<Option<String>>,
}

impl Acts {
    pub fn new(project: Memo<String>, event: Memo<String>, renewal: Renewal) -> Self {
        let (said, failure) = (RwSignal::new(None), RwSignal::new(PageState::take_refused()));
        let act = Action::new(move |(action, trigger): &(JobAction, Option<String>)| {
            said.set(None);
            failure.set(None);
            let (action, trigger) = (*action, trigger.clone());
            let (project, event) = (project.get_untracked(), event.get_untracked());
            async move {
                let done: Result<Changed, Failure> = match action {
                    JobAction::Redeliver => redeliver(project, event, trigger).await,
                    JobAction::Cancel => cancel(project, event, trigger).await,
                };
                renewal.look().await;
                // The page may have been left.
                match done {
                    Ok(changed) => _ = said.try_set(Some(self::said(action, &changed))),
                    Err(error) => _ = failure.try_set(Some(error.message)),
                }
            }
        });
        Self { act, said, failure }
    }
}

/// A button that redelivers or cancels one delivery of an event or all of them, a form without JavaScript. It keeps its place
/// also where there is nothing to do for it.
#[component]
pub fn Act(
    /// The event's page.
    path: String,
    /// `None`: every trigger.
    trigger: Option<String>,
    action: JobAction,
    text: &'static str,
    /// Whether there is something to do, as the event stands.
    possible: bool,
    acts: Acts,
) -> impl IntoView {
    let name = trigger.clone().unwrap_or_default();
    let kind = match action {
        JobAction::Redeliver if name.is_empty() => Kind::Primary,
        _ => Kind::Plain,
    };
    let label = if name.is_empty() { text.to_owned() } else { format!("{text} {name}") };
    let resting = Signal::derive(move || !possible || acts.act.pending().get());
    view! {
        <form
            method="post"
            action=path
            on:submit=move |event| {
                event.prevent_default();
                if !resting.get_untracked() {
                    acts.act.dispatch((action, trigger.clone()));
                }
            }
        >
            <input type="hidden" name="intent" value=action.as_str()/>
            <input type="hidden" name="trigger" value=name/>
            <SubmitButton kind=kind text=text pending=resting label=label/>
        </form>
    }
}

/// What an action did, in plain words.
pub fn said(action: JobAction, changed: &Changed) -> String {
    let what = match (action, changed.triggers.len()) {
        (JobAction::Redeliver, 1) => "1 delivery is queued again.".to_owned(),
        (JobAction::Redeliver, n) => format!("{n} deliveries are queued again."),
        (JobAction::Cancel, 1) => "1 delivery is cancelled.".to_owned(),
        (JobAction::Cancel, n) => format!("{n} deliveries are cancelled."),
    };
    let left = changed.left.iter().map(|left| format!(" {}: {}", left.trigger, left.why)).collect::<String>();
    what + &left
}

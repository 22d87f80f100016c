use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use server::functions::delete_trigger;
use server::model::Trigger;

use super::url_from_here;
use crate::PageState;
use crate::components::words::counted;
use crate::components::{Alert, ButtonLink, Dialog, Kind, SubmitButton, Toasts};

/// Asks before a trigger is deleted.
#[component]
pub fn DeleteDialog(project: String, trigger: Trigger, changed: Callback<()>) -> impl IntoView {
    let failure = RwSignal::new(PageState::posted_by("delete").and_then(|posted| posted.failure));
    let path = url_from_here(&project, &[]);
    let action = url_from_here(&project, &[("delete", &trigger.name)]);
    let navigate = use_navigate();
    let toasts = Toasts::here();
    let name = trigger.name;
    let delete = {
        let name = name.clone();
        Action::new(move |(): &()| delete_trigger(project.clone(), name.clone()))
    };
    let after = path.clone();
    Effect::new(move |_| match delete.value().get() {
        Some(Ok(())) => {
            changed.run(());
            toasts.say("Trigger deleted");
            navigate(&after, Default::default());
        }
        Some(Err(error)) => failure.set(Some(error.message)),
        None => {}
    });
    let waiting = match trigger.pending {
        0 => String::new(),
        1 => " One delivery that waits for it is cancelled.".to_owned(),
        n => format!(" {} deliveries that wait for it are cancelled.", counted(n, Trigger::MOST_COUNTED)),
    };
    view! {
        <Dialog title="Delete event trigger" close=path.clone()>
            <form
                method="post"
                action=action
                class="flex flex-col gap-4"
                on:submit=move |event| {
                    event.prevent_default();
                    delete.dispatch(());
                }
            >
                <Alert message=failure/>
                <input type="hidden" name="intent" value="delete"/>
                <input type="hidden" name="name" value=name.clone()/>
                <p class="text-sm text-ink">
                    "Delete " <strong class="font-semibold">{name}</strong> "? Its webhook gets no more events." {waiting} " The history keeps its name."
                </p>
                <div class="flex justify-end gap-2">
                    <ButtonLink href=path kind=Kind::Plain>"Cancel"</ButtonLink>
                    <SubmitButton kind=Kind::Danger text="Delete" pending=delete.pending()/>
                </div>
            </form>
        </Dialog>
    }
}

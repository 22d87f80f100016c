use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// A part of a project, with a page of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    EventTriggers,
    Events,
    Settings,
}

impl Section {
    const ALL: [Self; 3] = [Self::EventTriggers, Self::Events, Self::Settings];

    fn text(self) -> &'static str {
        match self {
            Self::EventTriggers => "Event Triggers",
            Self::Events => "Events",
            Self::Settings => "Settings",
        }
    }

    /// Where it is, under the project's path.
    fn segment(self) -> &'static str {
        match self {
            Self::EventTriggers => "event-triggers",
            Self::Events => "events",
            Self::Settings => "settings",
        }
    }

    /// The address of a project's section.
    pub fn path(self, project: &str) -> String {
        format!("/projects/{project}/{}", self.segment())
    }
}

/// Where a page is: its project and the section, if it is in any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub project: Option<String>,
    pub section: Option<Section>,
}

impl Place {
    /// The place of an address's path.
    pub fn of(path: &str) -> Self {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        if segments.next() != Some("projects") {
            return Self::default();
        }
        let project = segments.next().map(str::to_owned);
        let section = segments.next().and_then(|name| Section::ALL.into_iter().find(|one| one.segment() == name));
        Self { project, section }
    }

    /// The place of the page that is shown.
    pub fn here() -> Memo<Self> {
        let path = use_location().pathname;
        Memo::new(move |_| path.with(|path| Self::of(path)))
    }
}

/// The sections of a project as tabs; the current one stands out.
#[component]
pub fn ProjectNav(#[prop(into)] project: String, #[prop(into)] current: Signal<Option<Section>>) -> impl IntoView {
    let tabs = Section::ALL
        .into_iter()
        .map(|section| {
            view! {
                <a href=section.path(&project) class="tab" aria-current=move || (current.get() == Some(section)).then_some("page")>
                    {section.text()}
                </a>
            }
        })
        .collect_view();
    view! { <nav aria-label="Sections of the project" class="mx-auto flex max-w-7xl gap-5 overflow-x-auto px-4">{tabs}</nav> }
}

#[cfg(test)]
mod tests {
    use super::{Place, Section};

    #[test]
    fn an_address_names_its_project_and_section() {
        let place = |project: Option<&str>, section| Place { project: project.map(str::to_owned), section };
        for (path, expected) in [
            ("/", place(None, None)),
            ("/projects", place(None, None)),
            ("/projects/shop/event-triggers", place(Some("shop"), Some(Section::EventTriggers))),
            ("/projects/shop/events/0198f0c4", place(Some("shop"), Some(Section::Events))),
            ("/projects/shop/settings/", place(Some("shop"), Some(Section::Settings))),
            ("/projects/shop/nothing", place(Some("shop"), None)),
            ("/other/shop/events", place(None, None)),
        ] {
            assert_eq!(Place::of(path), expected, "{path}");
        }
    }
}

/// A number with so many digits after its point. In the browser the browser does it: Rust's way there would be a tenth of all
/// the code that a page loads.
pub fn fixed(value: f64, digits: u8) -> String {
    #[cfg(feature = "ssr")]
    {
        format!("{value:.*}", usize::from(digits))
    }
    #[cfg(not(feature = "ssr"))]
    {
        web_sys::js_sys::Number::from(value).to_fixed(digits).map(String::from).unwrap_or_default()
    }
}

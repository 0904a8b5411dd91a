//! How it looks.

use event_log::Delivery;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Table};
use time::OffsetDateTime;
use time::macros::format_description;
use types::Currency;

use super::view::{Latency, Sagas, Traffic, View};

/// All that is to be seen.
pub(super) struct Screen<'a> {
    /// Whose numbers.
    pub(super) shop: &'a str,
    /// `None` until there are two samples.
    pub(super) view: Option<&'a View>,
    /// The last events, the newest last.
    pub(super) events: &'a [Delivery],
    /// Why there is nothing new.
    pub(super) trouble: Option<&'a str>,
}

/// Draws it.
pub(super) fn draw(frame: &mut Frame<'_>, screen: &Screen<'_>) {
    let [title, upper, middle, lower] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(12),
        Constraint::Length(7),
        Constraint::Min(3),
    ])
    .areas(frame.area());
    frame.render_widget(heading(screen), title);
    let Some(view) = screen.view else { return };

    let [left, right] =
        Layout::horizontal([Constraint::Percentage(62), Constraint::Percentage(38)]).areas(upper);
    requests(frame, left, view);
    frame.render_widget(sagas(&view.sagas), right);

    let [left, right] =
        Layout::horizontal([Constraint::Percentage(62), Constraint::Percentage(38)]).areas(middle);
    flow(frame, left, view);
    frame.render_widget(shop(view), right);
    events(frame, lower, screen.events);
}

fn heading<'a>(screen: &Screen<'a>) -> Line<'a> {
    let state = match (screen.trouble, screen.view) {
        (Some(trouble), _) => Span::from(trouble).fg(Color::Red),
        (None, Some(_)) => Span::from("q to quit").dim(),
        (None, None) => Span::from("looking ...").dim(),
    };
    Line::from(vec![Span::from("oxcart top").bold(), "  ".into(), screen.shop.into(), "  ".into(), state])
}

fn requests(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let head = Row::new(["", "per s", "errors", "p50", "p95", "p99"]).dim();
    let all = [row("all requests", &view.requests).bold()];
    let routes = view.routes.iter().map(|(route, traffic)| row(route, traffic));
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(7),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(8),
    ];
    let table = Table::new(all.into_iter().chain(routes), widths).header(head);
    frame.render_widget(table.block(Block::bordered().title("Requests")), area);
}

fn row<'a>(name: &'a str, traffic: &Traffic) -> Row<'a> {
    let Traffic { rate, errors, latency } = *traffic;
    let style = if errors > 0.0 { Style::new().fg(Color::Red) } else { Style::new() };
    let [p50, p95, p99] = match latency {
        Some(Latency { p50, p95, p99 }) => [p50, p95, p99].map(duration),
        None => [const { String::new() }; 3],
    };
    Row::new([name.to_owned(), number(rate), number(errors), p50, p95, p99]).style(style)
}

fn sagas(sagas: &Sagas) -> Paragraph<'static> {
    let stuck = Span::from(format!("{} stuck", number(sagas.stuck)));
    let stuck = if sagas.stuck > 0.0 { stuck.fg(Color::Red).bold() } else { stuck.dim() };
    let unfinished: f64 = sagas.states.iter().map(|(_, count)| count).sum();
    let mut lines = vec![
        Line::from(format!("completed {}/s, failed {}/s", number(sagas.completed), number(sagas.failed))),
        Line::from(format!(
            "calls repeated {}/s, takeovers {}",
            number(sagas.retries),
            number(sagas.takeovers)
        )),
        Line::from(vec![format!("unfinished {}, ", number(unfinished)).into(), stuck]),
    ];
    let states = sagas.states.iter();
    lines.extend(states.map(|(state, count)| Line::from(format!("  {state:<12} {}", number(*count)))));
    Paragraph::new(lines).block(Block::bordered().title("Checkouts"))
}

fn flow(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let outboxes = view.outboxes.iter().map(|outbox| {
        let waiting = format!("{} waiting", number(outbox.rows));
        let oldest = format!("oldest {}", duration(outbox.oldest));
        Row::new([format!("outbox {}", outbox.service), waiting, oldest, String::new()])
    });
    let consumers = view.consumers.iter().map(|consumer| {
        let dead = format!("{} dead letters", number(consumer.dead_letters));
        let style = if consumer.lag > 0.0 || consumer.dead_letters > 0.0 {
            Style::new().fg(Color::Red)
        } else {
            Style::new()
        };
        let applied = format!("{} applied/s", number(consumer.rate));
        let waiting = format!("{} waiting", consumer.waiting.map_or_else(|| "?".to_owned(), number));
        Row::new([consumer.group.clone(), applied, waiting, dead]).style(style)
    });
    let widths =
        [Constraint::Fill(1), Constraint::Length(14), Constraint::Length(15), Constraint::Length(15)];
    let table = Table::new(outboxes.chain(consumers), widths);
    frame.render_widget(table.block(Block::bordered().title("Events")), area);
}

fn shop(view: &View) -> Paragraph<'static> {
    let (stock, sales) = (&view.stock, &view.sales);
    let revenue: Vec<String> =
        sales.revenue.iter().map(|(currency, minor)| amount(currency, *minor)).collect();
    let lines = vec![
        Line::from(format!("orders {}, payments declined {}", number(sales.orders), number(sales.declined))),
        Line::from(format!(
            "revenue {}",
            if revenue.is_empty() { "none".to_owned() } else { revenue.join(", ") }
        )),
        Line::from(format!("stock held {} units by {}", number(stock.units), number(stock.holds))),
        Line::from(format!("not enough stock {} times", number(stock.shortages))),
    ];
    Paragraph::new(lines).block(Block::bordered().title("Shop, since its start"))
}

fn events(frame: &mut Frame<'_>, area: Rect, events: &[Delivery]) {
    let room = usize::from(area.height.saturating_sub(2));
    let lines = events.iter().rev().take(room).map(|delivery| {
        let event = &delivery.event;
        let at = OffsetDateTime::from(event.time);
        let at = at.format(format_description!("[hour]:[minute]:[second]")).unwrap_or_default();
        Line::from(vec![
            Span::from(at).dim(),
            format!("  {:<26} user {:<8} ", event.kind, event.key).into(),
            Span::from(event.id.to_string()).dim(),
        ])
    });
    let list = Paragraph::new(lines.collect::<Vec<_>>());
    frame.render_widget(list.block(Block::bordered().title("Last events")), area);
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    // The sum of nothing is -0.0.
    let value = value + 0.0;
    if value == value.trunc() || value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        seconds if seconds < 1.0 => format!("{} ms", number(seconds * 1000.0)),
        seconds => format!("{} s", number(seconds)),
    }
}

/// An amount in whole units of its currency.
fn amount(currency: &str, minor: f64) -> String {
    let exponent = currency.parse::<Currency>().map_or(0, Currency::exponent);
    let digits = usize::try_from(exponent).unwrap_or(0);
    format!("{:.digits$} {currency}", minor / f64::from(10_u32.saturating_pow(exponent)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use event_log::Event;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use tokio::time::Instant;
    use types::Timestamp;
    use uuid::Uuid;

    use super::*;
    use crate::top::sample::Sample;
    use crate::top::text;

    /// Requests, as many as in each bucket: up to 5 ms, up to 50 ms, up to 500 ms.
    fn requests(method: &str, route: &str, status: u16, [fast, slow, late]: [u32; 3]) -> String {
        let labels = format!(
            "http_request_method=\"{method}\",http_route=\"{route}\",http_response_status_code=\"{status}\""
        );
        let (two, all) = (fast + slow, fast + slow + late);
        let name = "http_server_request_duration_seconds";
        format!(
            "{name}_bucket{{{labels},le=\"0.005\"}} {fast}\n{name}_bucket{{{labels},le=\"0.05\"}} {two}\n\
             {name}_bucket{{{labels},le=\"0.5\"}} {all}\n{name}_bucket{{{labels},le=\"+Inf\"}} {all}\n\
             {name}_count{{{labels}}} {all}\n"
        )
    }

    fn busy() -> String {
        let numbers = "\
            oxcart_checkouts_unfinished{state=\"AUTHORIZING\"} 3\n\
            oxcart_checkouts_unfinished{state=\"CAPTURING\"} 2\n\
            oxcart_checkouts_stuck 0\n\
            oxcart_checkouts_ended_total{end=\"completed\"} 21\n\
            oxcart_checkouts_ended_total{end=\"failed\"} 2\n\
            oxcart_checkout_retries_total{state=\"AUTHORIZING\"} 1\n\
            oxcart_outbox_rows{service=\"checkout\"} 2\n\
            oxcart_outbox_oldest_age_seconds{service=\"checkout\"} 0.012\n\
            oxcart_outbox_rows{service=\"orders\"} 0\n\
            oxcart_events_applied_total{group=\"cart-service\"} 21\n\
            oxcart_events_applied_total{group=\"orders-service\"} 21\n\
            oxcart_consumer_lag_events{group=\"cart-service\"} 3\n\
            oxcart_consumer_lag_events{group=\"orders-service\"} 0\n\
            oxcart_stock_holds 5\n\
            oxcart_stock_held_units 8\n\
            oxcart_stock_shortages_total 1\n\
            oxcart_orders_total{status=\"CONFIRMED\"} 21\n\
            oxcart_payments_declined_total{code=\"card_declined\"} 1\n\
            oxcart_revenue_minor_units_total{currency=\"USD\"} 419979\n";
        requests("GET", "/api/v1/products", 200, [180, 20, 0])
            + &requests("POST", "/api/v1/cart/items", 200, [10, 40, 2])
            + &requests("POST", "/api/v1/checkout", 201, [0, 19, 2])
            + &requests("POST", "/api/v1/checkout", 503, [1, 0, 0])
            + numbers
    }

    fn event(number: u8, kind: &str, seconds: i64) -> Delivery {
        let event = Event {
            id: Uuid::from_bytes([number; 16]),
            kind: kind.to_owned(),
            source: "checkout".to_owned(),
            key: "7".to_owned(),
            time: Timestamp::from_micros(seconds * 1_000_000),
            traceparent: None,
            request_id: None,
            data: "{}".into(),
        };
        Delivery { topic: "checkout-events".to_owned(), partition: 0, offset: number.into(), event }
    }

    #[tokio::test]
    async fn the_readme_shows_how_it_looks() {
        let start = Instant::now();
        let before = Sample::parse(start, &[]);
        let view = View::of(&before, &Sample::parse(start + Duration::from_secs(1), &[busy()]));
        let events = [event(0x5a, "checkout.completed.v1", 45_296), event(0x5b, "order.created.v1", 45_297)];
        let screen =
            Screen { shop: "http://127.0.0.1:9100", view: Some(&view), events: &events, trouble: None };
        let mut terminal = Terminal::new(TestBackend::new(104, 26)).unwrap();
        let drawn = text(terminal.draw(|frame| draw(frame, &screen)).unwrap().buffer);
        let readme = include_str!("../../../../README.md");
        let block = readme.split("```text\noxcart top").nth(1).and_then(|rest| rest.split("```").next());
        let shown = format!("oxcart top{}", block.unwrap_or_default());
        assert_eq!(shown, drawn, "{drawn}");
    }

    #[test]
    fn numbers_are_short_and_true() {
        let numbers = [-0.0, 0.5, 3.0, 12.34, 250.7, 1_234_567.0].map(number);
        assert_eq!(numbers, ["0", "0.50", "3", "12.3", "251", "1234567"]);
        assert_eq!([0.0, 0.0125, 1.5].map(duration), ["0 s", "12.5 ms", "1.50 s"]);
        assert_eq!([amount("USD", 5.0), amount("JPY", 500.0)], ["0.05 USD", "500 JPY"]);
    }
}

//! Plots for the documents.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Times over something that is drawn in powers of ten.
pub struct Plot<'a> {
    pub title: &'a str,
    /// What the x axis shows.
    pub x: &'a str,
    pub lines: &'a [Line],
}

/// A line of a plot.
pub struct Line {
    name: &'static str,
    /// What is measured for, and microseconds.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    pub fn new(name: &'static str) -> Self {
        Line { name, points: Vec::new() }
    }
}

impl Plot<'_> {
    /// Writes it to a file of this name, if plots are wanted at all.
    pub fn write(&self, directory: Option<&Path>, name: &str) -> Result<(), Box<dyn Error>> {
        let Some(directory) = directory else { return Ok(()) };
        let file = directory.join(name);
        let area = SVGBackend::new(&file, (800, 400)).into_drawing_area();
        area.fill(&WHITE)?;
        self.draw(&area)?;
        Ok(area.present()?)
    }

    fn draw(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let mut builder = ChartBuilder::on(area);
        builder
            .caption(self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(45)
            .y_label_area_size(65);
        let mut chart = builder.build_cartesian_2d((1.0..self.right()).log_scale(), 0.0..self.top())?;
        let number = |value: &f64| format!("{value:.0}");
        let mut mesh = chart.configure_mesh();
        mesh.x_label_formatter(&number).y_label_formatter(&number).max_light_lines(1);
        mesh.x_desc(self.x).y_desc("µs").draw()?;
        for (index, line) in self.lines.iter().enumerate() {
            let color = Palette99::pick(index).to_rgba();
            let points = || line.points.iter().copied();
            let series = chart.draw_series(LineSeries::new(points(), color.stroke_width(2)))?;
            series.label(line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
            chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
        }
        let mut names = chart.configure_series_labels();
        names.position(SeriesLabelPosition::UpperRight).background_style(WHITE).draw()?;
        Ok(())
    }

    fn right(&self) -> f64 {
        self.points().map(|point| point.0).fold(1.0, f64::max)
    }

    /// The axis begins at nothing, so that the eye compares lengths; above the lines is place for their names.
    fn top(&self) -> f64 {
        self.points().map(|point| point.1).fold(0.0, f64::max) * 1.4
    }

    fn points(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.lines.iter().flat_map(|line| &line.points)
    }
}

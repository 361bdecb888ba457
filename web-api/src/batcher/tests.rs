use datasets::{Schema, Standardiser};
use futures::{FutureExt as _, future::join_all};
use trainer_model::{MlpShape, Parameters};

use super::*;

/// A queue that nobody empties but the test, and its figures.
fn still() -> (Batcher, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::default());
    (Batcher::with_threads(ComputeDevice::cpu(), Arc::clone(&metrics), 0), metrics)
}

/// A network of two inputs and two classes, too wide to be computed where it is asked for.
fn wide(weight: f32) -> Arc<ShelvedModel> {
    let shape = MlpShape { inputs: 2, hidden: vec![16_384], classes: 2 };
    let architecture = Architecture::mlp(shape).unwrap();
    let values = (0_u8..250).cycle().map(|step| weight * (f32::from(step) / 125.0 - 1.0));
    let values = values.take(architecture.parameter_count()).collect();
    let parameters = Parameters::new(&architecture.layout(), values).unwrap();
    let standardiser = Standardiser::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let texts = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    let schema = Schema::new(texts(["a", "b"]), "c".to_owned(), texts(["no", "yes"])).unwrap();
    Arc::new(ShelvedModel::new(architecture, parameters, standardiser, schema).unwrap())
}

fn row(a: f32, b: f32) -> Features {
    let scale = Standardiser::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    Features::standardised(&[a, b], &scale).unwrap()
}

/// Asks for predictions, computes when all of them wait, and returns the answers and how many forward passes it took.
async fn answers(
    batcher: &Batcher,
    asked: Vec<(Arc<ShelvedModel>, Features)>,
) -> (Vec<Result<Predictions, ApiError>>, usize) {
    let count = asked.len();
    let predictions = asked.iter().map(|(model, features)| {
        assert!(!batcher.is_short(model, features.rows()), "it would never wait");
        Box::pin(batcher.predict(batcher.place().unwrap(), model, features.clone()))
    });
    let mut predictions: Vec<_> = predictions.collect();
    for prediction in &mut predictions {
        assert!(prediction.now_or_never().is_none());
    }
    assert_eq!((batcher.shared.lock().jobs.len(), batcher.waiting()), (count, count));
    let mut passes = 0;
    while !batcher.shared.lock().jobs.is_empty() {
        let batch = batcher.shared.next_batch().unwrap();
        batcher.shared.take(batch);
        passes += 1;
    }
    let answers = join_all(predictions).await;
    assert_eq!(batcher.waiting(), 0, "places come back");
    (answers, passes)
}

#[tokio::test]
async fn what_waits_together_is_one_forward_pass_with_the_results_of_single_ones() {
    let (batcher, metrics) = still();
    let model = wide(0.1);
    let rows: Vec<_> = (0_u8..40).map(|a| row(f32::from(a) / 10.0, 1.0)).collect();
    let asked = rows.iter().map(|features| (Arc::clone(&model), features.clone())).collect();
    let (together, passes) = answers(&batcher, asked).await;
    assert_eq!(passes, 1);
    let device = ComputeDevice::cpu();
    for (features, together) in rows.iter().zip(together) {
        let alone = model.predict(&device, features).unwrap();
        assert_eq!(together.unwrap().probabilities(), alone.probabilities());
    }
    let mut text = String::new();
    metrics.write(&mut text).unwrap();
    for line in [
        "sahakar_inference_batch_requests_bucket{le=\"32\"} 0",
        "sahakar_inference_batch_requests_bucket{le=\"64\"} 1",
        "sahakar_inference_batch_requests_sum 40",
        "sahakar_inference_rows_total 40",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[tokio::test]
async fn models_are_not_mixed_and_a_pass_has_no_more_rows_than_a_call_may_have() {
    let (batcher, _) = still();
    let (one, other) = (wide(0.1), wide(0.2));
    let scale = Standardiser::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let many = Features::standardised(&vec![0.5; 2 * (ROWS_MAX - 1)], &scale).unwrap();
    let asked = vec![
        (Arc::clone(&one), row(1.0, 2.0)),
        (Arc::clone(&other), row(1.0, 2.0)),
        // Fits with the first one, to the row; the last one does not any more.
        (Arc::clone(&one), many),
        (Arc::clone(&one), row(3.0, 4.0)),
        (other, row(3.0, 4.0)),
    ];
    let (answers, passes) = answers(&batcher, asked).await;
    assert_eq!(passes, 3);
    let rows: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().labels().count()).collect();
    assert_eq!(rows, [1, 1, ROWS_MAX - 1, 1, 1]);
}

#[tokio::test]
async fn one_of_a_batch_that_cannot_be_computed_fails_alone() {
    let (batcher, _) = still();
    let model = wide(1e8);
    let asked = [row(1e-30, 1e-30), row(1e38, 1e38), row(0.0, 1e-30)];
    let asked = asked.map(|features| (Arc::clone(&model), features)).to_vec();
    let (answers, passes) = answers(&batcher, asked).await;
    assert_eq!(passes, 1);
    let answered: Vec<_> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(answered, [true, false, true], "{answers:?}");
}

#[tokio::test]
async fn who_finds_no_place_is_told_when_to_come_again_and_who_has_one_keeps_it() {
    let (batcher, _) = still();
    let mut places: Vec<_> = (0..QUEUE_MAX).map(|_| batcher.place().unwrap()).collect();
    let refused = axum::response::IntoResponse::into_response(batcher.place().unwrap_err());
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    drop(places.pop());
    assert!(batcher.place().is_ok());
}

#![allow(warnings, clippy::all)]
use datasets::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use std::time::Instant;
use trainer_model::*;
fn main() {
    let t = Instant::now();
    let choice = std::env::args().nth(1).unwrap_or("auto".into());
    let d = match ComputeDevice::open(choice.parse().unwrap()) {
        Ok(d) => d,
        Err(e) => {
            println!("{e} after {:?}", t.elapsed());
            return;
        }
    };
    println!("open {choice}: {} {:?}", d.description(), t.elapsed());
    let wine = wine::table();
    let ex = Examples::from_table(&wine, &Standardiser::fit(&wine)).unwrap();
    let m = Architecture::mlp(MlpShape { inputs: 11, hidden: vec![32], classes: 2 }).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let p = Parameters::initial(&m, &mut rng);
    for (epochs, batch_size) in [(1, 16), (20, 16), (20, 32)] {
        let plan = TrainingPlan::new(TrainingSettings {
            local_epochs: epochs,
            batch_size,
            learning_rate: 0.05,
        })
        .unwrap();
        let t = Instant::now();
        let o = train(&d, &m, &p, &ex, &plan, &mut rng).unwrap();
        let s = t.elapsed().as_secs_f64();
        println!(
            "batch {batch_size}: {} steps {:.1} ms, {:.1} us/step, {:.0} steps/s loss {}",
            o.steps,
            s * 1e3,
            s * 1e6 / o.steps as f64,
            o.steps as f64 / s,
            o.loss
        );
    }
    {
        let plan = TrainingPlan::new(TrainingSettings { local_epochs: 3, batch_size: 16, learning_rate: 0.05 }).unwrap();
        let run = |d: &ComputeDevice| train(d, &m, &p, &ex, &plan, &mut ChaCha20Rng::seed_from_u64(3)).unwrap().parameters;
        let (a, b) = (run(&d), run(&ComputeDevice::cpu()));
        let diff = a.difference(&b).unwrap();
        println!("max difference to cpu after 3 epochs: {:e}, differing {}", diff.iter().fold(0f32, |m, x| m.max(x.abs())), diff.iter().filter(|x| **x != 0.0).count());
        let (a, b) = (loss_gradient(&d, &m, &p, &ex).unwrap(), loss_gradient(&ComputeDevice::cpu(), &m, &p, &ex).unwrap());
        println!("gradient differing {}", a.iter().zip(&b).filter(|(a, b)| a != b).count());
    }
    let t = Instant::now();
    for _ in 0..20 {
        loss_gradient(&d, &m, &p, &ex).unwrap();
    }
    println!("gradient over 1599: {:?}", t.elapsed() / 20);
    let t = Instant::now();
    for _ in 0..20 {
        evaluate(&d, &m, &p, &ex).unwrap();
    }
    println!("evaluate over 1599: {:?}", t.elapsed() / 20);
    let one = Features::new(vec![0.1; 11], 11).unwrap();
    let t = Instant::now();
    for _ in 0..1000 {
        predict(&d, &m, &p, &one).unwrap();
    }
    println!("predict one: {:?}", t.elapsed() / 1000);
    // 784-200-10 batch 32
    use rand::RngExt as _;
    let n = 4096;
    let f = Features::new((0..n * 784).map(|_| rng.random::<f32>()).collect(), 784).unwrap();
    let l: Vec<u32> = (0..n).map(|i| (i % 10) as u32).collect();
    let ex = Examples::new(f, &l, 10).unwrap();
    let m = Architecture::mlp(MlpShape { inputs: 784, hidden: vec![200], classes: 10 }).unwrap();
    let p = Parameters::initial(&m, &mut rng);
    let plan = TrainingPlan::new(TrainingSettings {
        local_epochs: 3,
        batch_size: 32,
        learning_rate: 0.05,
    })
    .unwrap();
    let t = Instant::now();
    let o = train(&d, &m, &p, &ex, &plan, &mut rng).unwrap();
    let s = t.elapsed().as_secs_f64();
    println!(
        "784-200-10: {:.2} ms/step, {:.0} samples/s",
        s * 1e3 / o.steps as f64,
        o.steps as f64 * 32.0 / s
    );
}

//! Prices, purchases and the split of revenue: pure.
//!
//! ```text
//!  deposits ─Deposit─► buyer ─Purchase─► prepaid/<lot> ┄Reserve┄► revenue ─Settle─┬─► treasury
//!                                             ▲                                   ├─► member
//!                                             └──────────── Void, expiry          └─► member …
//!  deposits ◄─Withdrawal─ buyer ◄─Refund─ prepaid/<lot>
//!                         buyer ─LicenceSale─► revenue     prepaid/<lot> ─MonthEnd─► revenue
//!  deposits ◄─Recall─ buyer      debt ─Recall─► recalled ─DebtPayment─► deposits
//! ```
//! Everything here only *builds* lists of transfers; whether they may happen is the ledger's to
//! say. Amounts are in 10⁻⁴ of the currency's unit: a price of 250 in EUR is 2.5 cents.

mod demand;
mod licence;
mod prediction;
mod purchase;
mod recall;

pub use demand::{Demand, DemandCurve, WINDOW_PARTS};
pub use licence::{LicenceSale, MonthEnd};
pub use prediction::{
    CallSource, PredictionSale, Recipient, RecipientError, RevenueShare, RevenueTerms, Settlement,
};
pub use purchase::{Deposit, Purchase, PurchaseError, Refund, Withdrawal};
pub use recall::{DebtPayment, Recall};

//! Provisioners that give endpoints.

module Data.Ranged.Ranges where

import Data.Ranged.Boundaries

data Range a = Range (Boundary a) (Boundary a)

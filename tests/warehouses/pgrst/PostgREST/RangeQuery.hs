-- | Pages are not looked at.
module PostgREST.RangeQuery where

import Data.Ranged.Boundaries
import Data.Ranged.Ranges
import Prelude

type NonnegRange = Range Integer

allRange :: NonnegRange
allRange = Range (BoundaryBelow 0) (BoundaryAbove 0)

rangeGeq :: Integer -> NonnegRange
rangeGeq _ = allRange

rangeLimit :: NonnegRange -> Maybe Integer
rangeLimit _ = Nothing

rangeOffset :: NonnegRange -> Integer
rangeOffset _ = 0

restrictRange :: Maybe Integer -> NonnegRange -> NonnegRange
restrictRange _ r = r

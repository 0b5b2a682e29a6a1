module PostgREST.Error where

import Data.Text (Text)
import Prelude

data QPError = QPError Text Text deriving Show

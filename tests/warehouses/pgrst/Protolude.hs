{-# LANGUAGE FlexibleInstances     #-}
{-# LANGUAGE MultiParamTypeClasses #-}
-- | As much of the prelude of PostgREST's modules as its parser needs.
module Protolude (module X, StringConv (..), Text, ByteString, readMaybe, show) where

import           Control.Applicative as X
import           Control.Monad       as X
import           Data.Bifunctor      as X (bimap, first, second)
import           Data.ByteString     (ByteString)
import           Data.Char           as X (toUpper)
import           Data.Functor        as X
import           Data.Maybe          as X
import           Data.Text           (Text)
import qualified Data.Text           as T
import           Data.Traversable    as X
import           Prelude             as X hiding (readFile, show)
import qualified Prelude             as P
import qualified Text.Read           as R

class StringConv a b where
  toS :: a -> b

instance StringConv Text String where toS = T.unpack
instance StringConv String Text where toS = T.pack
instance StringConv Text Text where toS = id
instance StringConv String String where toS = id

readMaybe :: Read a => Text -> Maybe a
readMaybe = R.readMaybe . T.unpack

show :: Show a => a -> Text
show = T.pack . P.show
